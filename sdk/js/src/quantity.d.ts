/** The value of `100m`, `1.5Gi`, `2e3`; throws a RangeError for what is none. */
export function parse(quantity: string | number): number;
/** In thousandths, rounded up: what CPU is counted in. */
export function milli(quantity: string | number): number;
/** In units, rounded up: bytes, pods, devices. */
export function whole(quantity: string | number): number;
