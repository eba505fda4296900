import { expect, test } from "vitest";
import { madeUpPassword, PASSWORD_RULES, passwordRules } from "./password";

const broken = (password: string) => PASSWORD_RULES.filter((rule) => !passwordRules[rule](password));

test("each rule is broken by what lacks just that", () => {
  expect(broken("Sho-r7t")).toEqual(["length"]);
  expect(broken("no-upper-7")).toEqual(["upper"]);
  expect(broken("NO-LOWER-7")).toEqual(["lower"]);
  expect(broken("No-digit-here")).toEqual(["digit"]);
  expect(broken("NoSpecial7")).toEqual(["special"]);
});

test("letters of any script count, and what is no letter is special", () => {
  expect(broken("Ärger mit ٣")).toEqual([]);
});

test("what is made up breaks no rule, and is another one each time", () => {
  const made = Array.from({ length: 200 }, madeUpPassword);
  expect(made.flatMap(broken)).toEqual([]);
  expect(new Set(made).size).toBe(200);
  expect(made.every((one) => /^(\w{5}-){3}\w{5}$/.test(one))).toBe(true);
});
