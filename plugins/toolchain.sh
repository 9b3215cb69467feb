#!/bin/bash
# Finds or makes a Rust compiler that can build the guests, and leaves it at PREFIX/bin/rustc.
#
#   plugins/toolchain.sh PREFIX
#
# In this order: the rustup target wasm32-unknown-unknown when it is installed; `rustup target add`;
# on Debian, the distribution's own compiler (packages rustc-web, libstd-rust-web, rust-web-src)
# unpacked under PREFIX with a standard library built from its sources. The last needs neither root
# nor a Rust download, and touches nothing outside PREFIX. A second run is immediate.
set -euo pipefail

target=wasm32-unknown-unknown
prefix=$(realpath -m "${1:?usage: plugins/toolchain.sh PREFIX}")
mkdir -p "$prefix/bin"

# A compiler can build guests when its sysroot has the target's standard library.
can_build_guests() {
    local libs
    libs=$("$1" --print target-libdir --target "$target" 2>/dev/null) && ls "$libs"/libstd-*.rlib >/dev/null 2>&1
}

wrapper() { # wrapper LINE: what PREFIX/bin/rustc executes
    printf '#!/bin/sh\n%s "$@"\n' "$1" >"$prefix/bin/rustc.new"
    chmod +x "$prefix/bin/rustc.new"
    mv "$prefix/bin/rustc.new" "$prefix/bin/rustc"
}

from_rustup() {
    command -v rustup >/dev/null || return 1
    if ! rustup target list --installed | grep -qx "$target"; then
        echo "toolchain: rustup target add $target" >&2
        timeout 120 rustup target add "$target" >&2 || return 1
    fi
    wrapper "exec '$(rustup which rustc)'"
    can_build_guests "$prefix/bin/rustc"
}

# The package names carry versions (libstd-rust-web-1.96, libllvm22): read them from the dependencies.
depends() { # depends PACKAGE REGEX
    apt-cache show --no-all-versions "$1" | sed -n 's/^Depends: //p' | tr ',' '\n' | grep -oE "$2" | head -1
}

download_packages() {
    if ! apt-cache show rustc-web >/dev/null 2>&1; then
        echo "toolchain: apt-get update" >&2
        apt-get update -qq >&2 || true
    fi
    local std llvm
    std=$(depends libstd-rust-web-dev 'libstd-rust-web-[0-9.]+')
    llvm=$(depends "$std" 'libllvm[0-9]+')
    rm -rf "$prefix/debs" && mkdir -p "$prefix/debs"
    (cd "$prefix/debs" && apt-get download rustc-web libstd-rust-web-dev rust-web-src "$std" "$llvm" >&2)
    for package in "$prefix"/debs/*.deb; do dpkg -x "$package" "$prefix"; done
    rm -rf "$prefix/debs"
}

# rustc looks for its wasm linker beside the host's libraries; Debian keeps it elsewhere.
link_the_linker() {
    local lld
    lld=$(find "$(rustc --print sysroot)/lib/rustlib" -name rust-lld | head -1)
    [ -n "$lld" ] || lld=$(command -v wasm-ld || command -v rust-lld) || {
        echo "toolchain: no rust-lld in $(rustc --print sysroot): install Rust with rustup, or lld" >&2
        return 1
    }
    mkdir -p "$1/lib/rustlib/$host/bin"
    ln -sf "$lld" "$1/lib/rustlib/$host/bin/rust-lld"
}

build_std() { # build_std USR: the target's standard library, from the packaged sources
    local work=$prefix/std
    rm -rf "$work" && mkdir -p "$work/src" && : >"$work/src/lib.rs"
    cat >"$work/Cargo.toml" <<'TOML'
[package]
name = "stdbuild"
version = "0.0.0"
edition = "2021"
[lib]
crate-type = ["rlib"]
[workspace]
TOML
    (
        cd "$work"
        # RUSTC_BOOTSTRAP opens cargo's -Zbuild-std for this one build; the guests need no unstable flag.
        RUSTC=$prefix/bin/rustc RUSTC_BOOTSTRAP=1 CARGO_TARGET_DIR=$work/target \
            RUSTFLAGS="-Cembed-bitcode=yes --remap-path-prefix=$prefix=/rust --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo" \
            cargo build --quiet --release --target "$target" -Zbuild-std=std,panic_abort >&2
    )
    local libs=$1/lib/rustlib/$target/lib
    mkdir -p "$libs" && rm -f "$libs"/*
    cp "$work/target/$target/release/deps/"*.rlib "$libs"
    rm -rf "$libs"/libstdbuild*.rlib "$work"
}

from_debian() {
    command -v apt-get >/dev/null && command -v dpkg >/dev/null || return 1
    echo "toolchain: unpacking Debian's rustc-web under $prefix (about 140 MB, under a minute)" >&2
    local usr=$prefix/usr
    download_packages
    wrapper "LD_LIBRARY_PATH=$usr/lib/$(dpkg-architecture -qDEB_HOST_MULTIARCH 2>/dev/null || echo "$(uname -m)-linux-gnu")\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH} exec $usr/bin/rustc"
    link_the_linker "$usr"
    build_std "$usr"
    can_build_guests "$prefix/bin/rustc"
}

host=$(rustc -vV | sed -n 's/^host: //p')
if [ -x "$prefix/bin/rustc" ] && can_build_guests "$prefix/bin/rustc"; then exit 0; fi
# ORCH_TOOLCHAIN=debian skips rustup.
{ [ "${ORCH_TOOLCHAIN:-}" != debian ] && from_rustup; } || from_debian || {
    echo "toolchain: no Rust compiler for $target. Run: rustup target add $target" >&2
    exit 1
}
