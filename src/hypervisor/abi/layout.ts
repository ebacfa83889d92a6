/** How the tables of this folder describe a C structure: its name, its size, and each field's offset and size in bytes. */

export interface AbiStruct<Field extends string = string> {
  /** As in C: `struct gnttab_copy`. */
  readonly c: string;
  readonly size: number;
  /** Names as in C, nested ones with dots: [offset, size]. */
  readonly fields: Readonly<Record<Field, readonly [offset: number, size: number]>>;
  /** The offsets alone. */
  readonly at: Readonly<Record<Field, number>>;
}

/** Makes a table row. */
export function layout<Field extends string>(
  c: string,
  size: number,
  fields: Readonly<Record<Field, readonly [offset: number, size: number]>>,
): AbiStruct<Field> {
  const entries = Object.entries<readonly [number, number]>(fields);
  return { c, size, fields, at: Object.fromEntries(entries.map(([name, [offset]]) => [name, offset])) as Record<Field, number> };
}
