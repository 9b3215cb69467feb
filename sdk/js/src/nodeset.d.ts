/** A set of node indexes. Set operations cost a step for 32 nodes, iterating one for each member. */
export class NodeSet implements Iterable<number> {
  constructor(indexes?: Iterable<number>);
  /** From 64-bit words as the component gets them: pairs of low and high half, signed. */
  static fromPairs(pairs: [number, number][]): NodeSet;
  toPairs(): [number, number][];
  add(index: number): this;
  delete(index: number): void;
  has(index: number): boolean;
  readonly size: number;
  readonly isEmpty: boolean;
  /** In ascending order. */
  [Symbol.iterator](): Iterator<number>;
  forEach(call: (index: number) => void): void;
  filter(keep: (index: number) => boolean): NodeSet;
  and(other: NodeSet): NodeSet;
  or(other: NodeSet): NodeSet;
  without(other: NodeSet): NodeSet;
}
