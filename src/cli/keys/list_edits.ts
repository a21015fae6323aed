/** How lists in claims are edited: entries are added and removed by value, and each stands there once. */
export function editList(
  list: readonly string[],
  { add, remove }: { readonly add: readonly string[]; readonly remove: readonly string[] },
): readonly string[] {
  return [...new Set([...list, ...add])].filter((entry) => !remove.includes(entry));
}

/** Tags are lower-case and have no blanks around them. */
export function editTags(
  tags: readonly string[],
  { add, remove }: { readonly add: readonly string[]; readonly remove: readonly string[] },
): readonly string[] {
  const normal = (list: readonly string[]) => list.map((tag) => tag.trim().toLowerCase());
  return editList(tags, { add: normal(add), remove: normal(remove) });
}
