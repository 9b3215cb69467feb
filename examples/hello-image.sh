#!/bin/sh
# Makes a small image from Debian's busybox-static, as a docker archive:
#   hello-image.sh OUT.tar [NAME:TAG]
# Its entry point serves the pod's own name on port 8080; with a command it is a plain busybox.
set -eu
out=${1:?usage: hello-image.sh OUT.tar [NAME:TAG]}
name=${2:-example.orch.dev/hello:1}
busybox=$(command -v busybox) || { echo "hello-image.sh: install the package busybox-static" >&2; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

mkdir -p "$work/root/bin" "$work/root/etc" "$work/root/www" "$work/root/tmp" "$work/image"
chmod 1777 "$work/root/tmp"
cp "$busybox" "$work/root/bin/busybox"
for applet in $("$busybox" --list); do
    [ "$applet" = busybox ] || ln -s busybox "$work/root/bin/$applet"
done
printf 'root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n' > "$work/root/etc/passwd"
printf 'root:x:0:\nnogroup:x:65534:\n' > "$work/root/etc/group"
cat > "$work/root/bin/serve" <<'SERVE'
#!/bin/sh
mkdir -p /tmp/www
hostname > /tmp/www/index.html
echo "$(hostname) serves on 8080"
httpd -f -vv -p 8080 -h /tmp/www &
# The first process of a container gets no default signal handlers: end when asked to.
trap "kill $!; exit 0" TERM
wait
SERVE
chmod 755 "$work/root/bin/serve"

tar --sort=name --owner=0 --group=0 --numeric-owner --mtime=@0 -C "$work/root" -cf "$work/image/layer.tar" .
diff=$(sha256sum "$work/image/layer.tar" | cut -d' ' -f1)
case $(uname -m) in aarch64) architecture=arm64 ;; *) architecture=amd64 ;; esac
cat > "$work/config.json" <<CONFIG
{"architecture":"$architecture","os":"linux","created":"1970-01-01T00:00:00Z","config":{"Env":["PATH=/bin"],"Cmd":["/bin/serve"],"WorkingDir":"/"},"rootfs":{"type":"layers","diff_ids":["sha256:$diff"]},"history":[{"created":"1970-01-01T00:00:00Z","created_by":"hello-image.sh"}]}
CONFIG
id=$(sha256sum "$work/config.json" | cut -d' ' -f1)
mv "$work/config.json" "$work/image/$id.json"
printf '[{"Config":"%s.json","RepoTags":["%s"],"Layers":["layer.tar"]}]\n' "$id" "$name" > "$work/image/manifest.json"
tar --sort=name --owner=0 --group=0 --numeric-owner --mtime=@0 -C "$work/image" -cf "$out" .
