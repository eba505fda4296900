import { expect, test } from "vitest";
import { nameKey } from "./nameKey";

test("names come in the order in which people look for them", () => {
  const names = ["Zebra", "plugin 10", "Émile", "apple", "Plugin 9", "Eva", "Ｅ", "plugin 09b", "", "日本"];
  const sorted = names.toSorted((one, other) => (nameKey(one) < nameKey(other) ? -1 : 1));
  expect(sorted).toEqual([
    "",
    "apple",
    "Eva",
    "Émile",
    "Plugin 9",
    "plugin 09b",
    "plugin 10",
    "Zebra",
    "日本",
    "Ｅ",
  ]);
});
