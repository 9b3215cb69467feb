#!/bin/bash
# Makes the images that the conformance cases name, under the suite's names and tags, in the storage
# of a docker-registry:
#   images.sh PROGRAMS REGISTRY
# PROGRAMS holds the Go programs that the driver has built (agnhost, nnp, sample-apiserver, etcd, …),
# REGISTRY becomes the registry's root directory. Everything else comes from Debian packages.
set -euo pipefail
programs=$(realpath "${1:?usage: images.sh PROGRAMS REGISTRY}")
registry=${2:?usage: images.sh PROGRAMS REGISTRY}
suite=${SUITE_SOURCE:?the folder of the module k8s.io/kubernetes}
port=${REGISTRY_PORT:-5000}
work=$(mktemp -d)
server=
end() { [ -z "$server" ] || kill "$server"; rm -rf "$work"; }
trap end EXIT
case $(uname -m) in aarch64) architecture=arm64 ;; *) architecture=amd64 ;; esac

rm -rf "$registry.new"
mkdir -p "$registry.new" "$work/layers" "$work/oci/blobs/sha256"
registry_new=$(realpath "$registry.new")
cat > "$work/registry.yml" <<CONFIG
version: 0.1
log: {level: error}
storage: {filesystem: {rootdirectory: $registry_new}}
http: {addr: '127.0.0.1:$port'}
CONFIG
docker-registry serve "$work/registry.yml" > "$work/registry.log" 2>&1 &
server=$!

# layer NAME FOLDER: a layer of the folder's files, as they are.
layer() {
    local file=$work/layers/$1
    tar --sort=name --owner=0 --group=0 --numeric-owner --mtime=@0 -C "$2" -cf "$file.tar" .
    sha256sum "$file.tar" | cut -d' ' -f1 > "$file.diff"
    gzip -n -1 "$file.tar"
    local digest; digest=$(sha256sum "$file.tar.gz" | cut -d' ' -f1)
    echo "$digest" > "$file.digest"
    stat -c %s "$file.tar.gz" > "$file.size"
    mv "$file.tar.gz" "$work/oci/blobs/sha256/$digest"
    rm -rf "$2"
}

blob() { # TEXT: its digest and size
    local digest; digest=$(printf %s "$1" | sha256sum | cut -d' ' -f1)
    printf %s "$1" > "$work/oci/blobs/sha256/$digest"
    printf '"digest":"sha256:%s","size":%s' "$digest" "$(printf %s "$1" | wc -c)"
}

# image NAME:TAG CONFIG LAYER...: pushes it.
image() {
    local name=$1 config=$2 layers= diffs= l
    shift 2
    for l in "$@"; do
        local f=$work/layers/$l
        layers+=",{\"mediaType\":\"application/vnd.oci.image.layer.v1.tar+gzip\",\"digest\":\"sha256:$(cat "$f.digest")\",\"size\":$(cat "$f.size")}"
        diffs+=",\"sha256:$(cat "$f.diff")\""
    done
    config="{\"architecture\":\"$architecture\",\"os\":\"linux\",\"config\":$config,\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[${diffs#,}]}}"
    local manifest="{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\"config\":{\"mediaType\":\"application/vnd.oci.image.config.v1+json\",$(blob "$config")},\"layers\":[${layers#,}]}"
    printf '{"imageLayoutVersion":"1.0.0"}' > "$work/oci/oci-layout"
    printf '{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json",%s}]}' "$(blob "$manifest")" > "$work/oci/index.json"
    skopeo copy --quiet --insecure-policy --dest-tls-verify=false --preserve-digests "oci:$work/oci" "docker://127.0.0.1:$port/$name"
    echo "$name"
}

# What any root file system needs; $1 is the folder.
users() {
    mkdir -p "$1"/{etc,root,tmp,proc,sys,dev,run,var/tmp,home}
    chmod 1777 "$1/tmp" "$1/var/tmp"
    chmod 700 "$1/root"
    cat > "$1/etc/passwd" <<PASSWD
root:x:0:0:root:/root:/bin/sh
daemon:x:1:1:daemon:/usr/sbin:/bin/false
www-data:x:33:33:www-data:/var/www:/bin/false
user-defined-in-image:x:1000:1000::/home/user-defined-in-image:/bin/sh
nobody:x:65534:65534:nobody:/:/bin/false
PASSWD
    cat > "$1/etc/group" <<GROUP
root:x:0:
daemon:x:1:
www-data:x:33:
user-defined-in-image:x:1000:
group-defined-in-image:x:50000:user-defined-in-image
nogroup:x:65534:
GROUP
    printf 'hosts: files dns\npasswd: files\ngroup: files\n' > "$1/etc/nsswitch.conf"
}

# Fetches Debian packages, with all they depend on, into $work/debs.
packages() {
    mkdir -p "$work/debs/partial"
    : > "$work/debs/status"
    local apt=(apt-get -qq -o "Dir::State::status=$work/debs/status" -o "Dir::Cache::archives=$work/debs"
        -o Debug::NoLocking=1 -o APT::Sandbox::User=root --no-install-recommends -y --download-only install "$@")
    "${apt[@]}" > "$work/apt.log" 2>&1 || { apt-get update -qq; "${apt[@]}" > "$work/apt.log" 2>&1; } || { cat "$work/apt.log" >&2; exit 1; }
}

# debian FOLDER PACKAGE...: unpacks them and what they depend on.
debian() {
    local root=$1; shift
    mkdir -p "$root"/usr/{bin,sbin,lib,lib64}
    ln -s usr/bin "$root/bin"; ln -s usr/sbin "$root/sbin"; ln -s usr/lib "$root/lib"; ln -s usr/lib64 "$root/lib64"
    packages "$@"
    for deb in "$work"/debs/*.deb; do
        dpkg-deb --fsys-tarfile "$deb" | tar -x --keep-directory-symlink -C "$root"
    done
    rm -rf "$root"/usr/share/{doc,man,locale,info,lintian,bash-completion} "$root/var/cache"
}

applets() { # ROOT FOLDER: a link for each command that is not there
    for applet in $(busybox --list); do
        [ -e "$1/$2/$applet" ] || [ -L "$1/$2/$applet" ] || ln -s busybox "$1/$2/$applet"
    done
}

until curl -sf -o "$work/answer" "http://127.0.0.1:$port/v2/"; do
    kill -0 "$server" 2> "$work/answer" || { cat "$work/registry.log" >&2; exit 1; }
    sleep 0.1
done

e2e=e2e-test-images

root=$work/busybox
mkdir -p "$root/bin"
users "$root"
cp "$(command -v busybox)" "$root/bin/busybox"
applets "$root" bin
# Debian's busybox shell drops variables whose names are no identifiers; upstream's passes them on. So
# bash is the shell where there are such, and busybox's own, with its own words, where there are none.
packages bash-static
dpkg-deb --fsys-tarfile "$work"/debs/bash-static_*.deb | tar -x -C "$root" ./bin/bash-static
rm -f "$root/bin/sh"
gcc -Os -static -s -x c -o "$root/bin/sh" - <<'SHELL'
#include <ctype.h>
#include <unistd.h>
extern char **environ;
int main(int argc, char **argv) {
    const char *shell = "/bin/busybox";
    for (char **at = environ; *at; at++) {
        const char *c = *at;
        if (isdigit((unsigned char)*c)) shell = "/bin/bash-static";
        while (*c == '_' || isalnum((unsigned char)*c)) c++;
        if (*c != '=' || c == *at) shell = "/bin/bash-static";
    }
    execv(shell, argv);
    return 127;
}
SHELL
rm -rf "$work/debs"
layer busybox "$root"
image $e2e/busybox:1.37.0-2 '{"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],"Cmd":["sh"]}' busybox
image $e2e/nonroot:1.5 '{"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],"Cmd":["sh"],"User":"1234"}' busybox

root=$work/pause
mkdir -p "$root"
gcc -Os -static -DVERSION=orch -o "$root/pause" "$suite/build/pause/linux/pause.c"
strip "$root/pause"
layer pause "$root"
image pause:3.10.2 '{"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],"Entrypoint":["/pause"],"User":"65535:65535"}' pause

root=$work/debian
debian "$root" bash libc-bin busybox-static curl bind9-dnsutils netcat-openbsd iproute2 iperf socat nginx-light util-linux
users "$root"
ln -sf bash "$root/bin/sh"
ln -sf nc.openbsd "$root/bin/nc"
applets "$root" bin
# Debian's own page and configuration want what package scripts would make.
cat > "$root/etc/nginx/nginx.conf" <<'NGINX'
user www-data;
worker_processes 1;
pid /run/nginx.pid;
events { worker_connections 512; }
http {
    access_log /dev/stdout;
    error_log /dev/stderr;
    server { listen 80 default_server; root /usr/share/nginx/html; }
}
NGINX
mkdir -p "$root/var/lib/nginx" "$root/var/log/nginx"
layer debian "$root"
nginx='{"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],"Cmd":["nginx","-g","daemon off;"],"StopSignal":"SIGQUIT","ExposedPorts":{"80/tcp":{}}}'
image $e2e/nginx:1.27.0-2 "$nginx" debian
image $e2e/nginx:1.28.0-2 "$nginx" debian
image $e2e/glibc-dns-testing:2.1.1 '{"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],"Cmd":["bash"]}' debian

root=$work/agnhost
mkdir -p "$root/uploads"
cp "$programs/agnhost" "$root/agnhost"
ln -s agnhost "$root/agnhost-2"
cp "$suite"/test/images/agnhost/porter/localhost.{crt,key} "$root/"
layer agnhost "$root"
agnhost='"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],"Entrypoint":["/agnhost"]'
for tag in 2.55 2.66.1; do
    image $e2e/agnhost:$tag "{$agnhost,\"Cmd\":[\"pause\"],\"ExposedPorts\":{\"80/tcp\":{},\"8080/tcp\":{}}}" debian agnhost
done
for pet in kitten nautilus; do
    root=$work/$pet
    mkdir -p "$root"
    cp "$suite/test/images/$pet/html/"{$pet.jpg,data.json} "$root/"
    layer $pet "$root"
    image $e2e/$pet:1.8 "{$agnhost,\"Cmd\":[\"test-webserver\"]}" debian agnhost $pet
done

# program NAME PATH MODE IMAGE CONFIG: an image of one program over busybox.
program() {
    root=$work/$1
    mkdir -p "$(dirname "$root/$2")"
    cp "$programs/$1" "$root/$2"
    chmod "$3" "$root/$2"
    layer "$1" "$root"
    image "$4" "$5" busybox "$1"
}
path='"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]'
program nnp usr/local/bin/nnp 6755 $e2e/nonewprivs:1.4 "{$path,\"Cmd\":[\"nnp\"]}"
program regression-issue-74839 regression-issue-74839 755 $e2e/regression-issue-74839:1.5 "{$path,\"Entrypoint\":[\"/regression-issue-74839\"]}"
program sample-device-plugin sampledeviceplugin 755 $e2e/sample-device-plugin:1.7 "{$path,\"Entrypoint\":[\"/sampledeviceplugin\",\"-alsologtostderr\"]}"
program sample-apiserver sample-apiserver 755 $e2e/sample-apiserver:1.29.2 "{$path,\"Entrypoint\":[\"/sample-apiserver\"]}"
program etcd usr/local/bin/etcd 755 etcd:3.7.0-0 "{$path,\"Cmd\":[\"etcd\"]}"

kill "$server"; wait "$server" || true; server=
rm -rf "$registry"
mv "$registry.new" "$registry"
