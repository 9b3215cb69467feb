const SUFFIXES = {
  n: 1e-9, u: 1e-6, m: 1e-3, "": 1, k: 1e3, M: 1e6, G: 1e9, T: 1e12, P: 1e15, E: 1e18,
  Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30, Ti: 2 ** 40, Pi: 2 ** 50, Ei: 2 ** 60,
};

export function parse(quantity) {
  const text = String(quantity).trim();
  const [, number, suffix] = /^([+-]?[0-9.]+(?:[eE][+-]?[0-9]+)?)([A-Za-z]*)$/.exec(text) ?? [];
  const factor = SUFFIXES[suffix];
  if (factor === undefined || Number.isNaN(Number(number))) throw new RangeError(`${text} is no quantity`);
  return Number(number) * factor;
}

/** Rounds up, but not for the sake of a binary fraction's last bit. */
const up = (value) => Math.ceil(Number(value.toPrecision(15)));

export const milli = (quantity) => up(parse(quantity) * 1000);
export const whole = (quantity) => up(parse(quantity));
