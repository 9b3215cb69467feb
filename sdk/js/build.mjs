// Makes a component of a project: node sdk/js/build.mjs WORLD WIT-WORLD OUT.wasm, in its folder.
//
// QuickJS's bindings turn 64-bit numbers into JavaScript's, which hold 53 bits: node sets would lose
// nodes. So the contract is read with each such word as a pair of 32-bit halves (signed: unsigned ones
// above 2^31 would be cut). In memory and on the stack a list of either is the same (eight bytes for
// each word, low half first; what the engine allocates is aligned to eight bytes at least), so
// afterwards only the component's type is put right.
import { cpSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const WORDS = "list<u64>";
const PAIRS = "list<tuple<s32, s32>>";
/** `tuple<s32, s32>` and `u64` as component types. */
const PAIR = Buffer.from([0x6f, 0x02, 0x7a, 0x7a]);
const WORD = Buffer.from([0x77]);

const TYPES = 7;
const COMPONENT = 4;

async function main([world, witWorld, out]) {
  const project = process.cwd();
  const { componentize } = createRequire(join(project, "package.json"))("componentize-qjs");
  const contract = mkdtempSync(join(tmpdir(), "orch-wit-"));
  try {
    cpSync(join(project, "wit", world), contract, { recursive: true, dereference: true });
    const words = halved(contract);
    const entry = join(project, "sdk/js/component", `${world}.js`);
    const { component } = await componentize({
      witPath: contract,
      world: witWorld,
      jsSource: readFileSync(entry, "utf8"),
      jsPath: entry,
      moduleRoot: project,
      stubWasi: true,
      sync: true,
    });
    writeFileSync(resolve(out), words ? rejoined(component) : component);
  } finally {
    rmSync(contract, { recursive: true });
  }
}

/** Writes the contract with pairs for words; whether there were any. */
function halved(folder) {
  let found = false;
  for (const name of readdirSync(folder).filter((name) => name.endsWith(".wit"))) {
    const text = readFileSync(join(folder, name), "utf8");
    found ||= text.includes(WORDS);
    writeFileSync(join(folder, name), text.replaceAll(WORDS, PAIRS));
  }
  return found;
}

/** The component with words for pairs in its types, and in those of the components in it. */
export function rejoined(component) {
  const parts = [component.subarray(0, 8)];
  for (let at = 8; at < component.length; ) {
    const id = component[at];
    const [size, start] = number(component, at + 1);
    let content = component.subarray(start, start + size);
    if (id === TYPES) content = replaced(content);
    else if (id === COMPONENT) content = rejoined(content);
    parts.push(Buffer.from([id]), leb(content.length), content);
    at = start + size;
  }
  return Buffer.concat(parts);
}

/** No name can hold the bytes of a pair: they are neither letters nor a length a contract has. */
function replaced(types) {
  const parts = [];
  let from = 0;
  for (let at = types.indexOf(PAIR); at >= 0; at = types.indexOf(PAIR, from)) {
    parts.push(types.subarray(from, at), WORD);
    from = at + PAIR.length;
  }
  return Buffer.concat([...parts, types.subarray(from)]);
}

/** An unsigned LEB128 number, and where it ends. */
function number(bytes, at) {
  let value = 0;
  for (let shift = 1; ; shift *= 128) {
    const byte = bytes[at++];
    value += (byte & 0x7f) * shift;
    if (byte < 0x80) return [value, at];
  }
}

function leb(value) {
  const bytes = [];
  for (; value >= 128; value = Math.floor(value / 128)) bytes.push((value % 128) | 0x80);
  return Buffer.from([...bytes, value]);
}

if (process.argv[1]?.endsWith("build.mjs")) await main(process.argv.slice(2));
