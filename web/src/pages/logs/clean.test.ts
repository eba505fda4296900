import { expect, it } from "vitest";
import { clean } from "./clean";

it("leaves plain text as it is", () => {
  for (const text of ["", "hello", "مرحبا 👩‍👩‍👧", "a\tb\nc"]) expect(clean(text)).toBe(text);
});

it("takes the colours and commands of terminals away", () => {
  expect(clean("\x1b[1;31mred\x1b[0m \x1b[2Jgone \x9b32mgreen")).toBe("red gone green");
  expect(clean("\x1b]0;a title\x07text \x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\")).toBe("text link");
  expect(clean("\x1b(B\x1b=end")).toBe("end");
});

it("shows what would hide", () => {
  expect(clean("a\x00b\x07c\rd\x7f")).toBe("a\\x00b\\x07c\\x0dd\\x7f");
  expect(clean("user\u202egnp.exe")).toBe("user\\u202egnp.exe");
  expect(clean("lost \x1b")).toBe("lost \\x1b");
});

it("takes Windows line ends for line ends", () => {
  expect(clean("one\r\ntwo")).toBe("one\ntwo");
});
