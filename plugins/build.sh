#!/bin/bash
# Builds the built-in policies (and the hostile fixtures of the tests) into components.
#
#   plugins/build.sh
#
# Crates under plugins/*/* become target/components/NAME.wasm and NAME.cwasm, with an index; the orch
# binary embeds them. Fixtures under host/plugin/tests/fixtures go to target/fixtures. What has not
# changed is not built again. Needs rustup, or Debian's packages: see toolchain.sh.
set -euo pipefail
cd "$(dirname "$0")/.."

target=wasm32-unknown-unknown
toolchain=${ORCH_GUEST_TOOLCHAIN:-target/guest-toolchain}
components=${ORCH_COMPONENTS:-target/components}
modules=target/guests/$target/guest

plugins/toolchain.sh "$toolchain"
RUSTC=$(realpath "$toolchain/bin/rustc")
export RUSTC

# No path of this machine in a component: it would change its digest, and tell.
root=$(pwd -P)
export RUSTFLAGS="--remap-path-prefix=$root=/orch --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo --remap-path-prefix=$($RUSTC --print sysroot)=/rust"

names() { sed -n 's/^name *= *"\(.*\)".*/\1/p' "$@"; }
built() { # built NAME…: the modules that cargo wrote for these crates
    for name in "$@"; do echo "$modules/${name//-/_}.wasm"; done
}

mapfile -t policies < <(for crate in plugins/*/*/Cargo.toml; do names "$crate" | head -1; done)
mapfile -t fixtures < <(for crate in host/plugin/tests/fixtures/*/Cargo.toml; do
    [ -e "$crate" ] && names "$crate" | head -1
done)

arguments=()
for name in "${policies[@]}" "${fixtures[@]}"; do arguments+=(-p "$name"); done
"${CARGO:-cargo}" build --quiet --lib --profile guest --target "$target" --target-dir target/guests "${arguments[@]}"

unset RUSTC RUSTFLAGS
# Asked only when something that the program is made of is newer: cargo would wait for other builds.
program=target/release/orch-componentize
made_of=(host/plugin/{src,Cargo.toml} host/author/{src/bin,src/component.rs,Cargo.toml} Cargo.lock)
if [ ! -x "$program" ] || [ -n "$(find "${made_of[@]}" -newer "$program" -print -quit)" ]; then
    "${CARGO:-cargo}" build --quiet --release --workspace --bin orch-componentize
    touch "$program"
fi
componentize() { "$program" "$@"; }
mapfile -t files < <(built "${policies[@]}")
componentize "$components" "${files[@]}"
if [ ${#fixtures[@]} -gt 0 ]; then
    mapfile -t files < <(built "${fixtures[@]}")
    componentize target/fixtures "${files[@]}"
fi
