/** A form that is sent: at most once at a time, and with what was wrong at the field that it is about. */
import { useState } from "preact/hooks";
import { isAbort, messageOf } from "../api/problem";
import { useBusy } from "./useBusy";

export type FieldErrors<Name extends string> = Partial<Record<Name | "form", string>>;

/** Where something that was thrown belongs. */
export type Blame<Name extends string> = (error: unknown) => Name | "form";

export interface Form<Name extends string> {
  errors: FieldErrors<Name>;
  busy: boolean;
  /** `missing` is what is wrong before it is sent; nothing is sent then. */
  send: (missing: FieldErrors<Name>, work: () => Promise<unknown>) => void;
  /** Somebody puts it right: what was wrong with this field is no longer so. */
  touch: (name: Name) => void;
}

/** `focus` puts the cursor where something is wrong. */
export function useForm<Name extends string>(blame: Blame<Name>, focus: (name: Name) => void): Form<Name> {
  const [errors, setErrors] = useState<FieldErrors<Name>>({});
  const [busy, run] = useBusy();

  function show(found: FieldErrors<Name>): void {
    setErrors(found);
    const first = (Object.keys(found) as (Name | "form")[]).find((name) => found[name]);
    if (first && first !== "form") focus(first as Name);
  }

  return {
    errors,
    busy,
    touch: (name) => {
      if (errors[name]) setErrors({ ...errors, [name]: undefined });
    },
    send: (missing, work) => {
      show(missing);
      if (Object.values(missing).some(Boolean)) return;
      void run(work, (error) => {
        if (!isAbort(error)) show({ [blame(error)]: messageOf(error) } as FieldErrors<Name>);
      });
    },
  };
}
