/** What a new password has to have, as the core checks it, and one made up that has it all: pure but for chance. */

export const passwordRules = {
  length: (password: string) => [...password].length >= 8,
  upper: (password: string) => /\p{Lu}/u.test(password),
  lower: (password: string) => /\p{Ll}/u.test(password),
  digit: (password: string) => /\p{Nd}/u.test(password),
  special: (password: string) => /[^\p{L}\p{N}]/u.test(password),
};

export type PasswordRule = keyof typeof passwordRules;

export const PASSWORD_RULES = Object.keys(passwordRules) as PasswordRule[];

// Without those that are mistaken for each other.
const LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789";
const GROUPS = 4;
const GROUP = 5;

/** Four groups of five: nobody can guess it, and anybody can type it. */
export function madeUpPassword(): string {
  for (;;) {
    const letters = randomLetters(GROUPS * GROUP);
    const groups = Array.from({ length: GROUPS }, (_, index) =>
      letters.slice(index * GROUP, (index + 1) * GROUP),
    );
    const password = groups.join("-");
    if (PASSWORD_RULES.every((rule) => passwordRules[rule](password))) return password;
  }
}

function randomLetters(count: number): string {
  // Beyond the last whole multiple some letters would come up more often than others.
  const fair = 256 - (256 % LETTERS.length);
  let letters = "";
  while (letters.length < count) {
    for (const byte of crypto.getRandomValues(new Uint8Array(count))) {
      if (byte < fair && letters.length < count) letters += LETTERS[byte % LETTERS.length];
    }
  }
  return letters;
}
