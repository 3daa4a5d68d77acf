import { type ReactNode, useId } from 'react';

/** A choice of one among rows, by name. */
export function Picker(props: {
  label: string;
  value: string | null;
  /** What may be chosen. */
  choices: readonly { readonly id: string; readonly label: string | null }[];
  /** What it says while nothing is chosen; without it something always is. */
  none?: string;
  /** What the chosen row was called, for when it is not among the choices. */
  rememberedAs?: string | undefined;
  fault?: string | undefined;
  hint?: string | undefined;
  onChange: (id: string | null) => void;
}) {
  const { label, value, choices, none, rememberedAs, fault, hint, onChange } = props;
  const id = useId();
  const isGone = value !== null && value !== '' && !choices.some((choice) => choice.id === value);
  return (
    <Field id={id} label={label} fault={fault} hint={hint}>
      <select
        id={id}
        value={value ?? ''}
        aria-invalid={fault !== undefined}
        aria-describedby={fault || hint ? `${id}-note` : undefined}
        onChange={(event) => onChange(event.target.value === '' ? null : event.target.value)}
      >
        {none !== undefined && <option value="">{none}</option>}
        {isGone && <option value={value}>{rememberedAs ?? value} (not offered any more)</option>}
        {choices.map((choice) => (
          <option key={choice.id} value={choice.id}>
            {choice.label ?? choice.id}
          </option>
        ))}
      </select>
    </Field>
  );
}

/** A line of text. */
export function TextField(props: {
  label: string;
  value: string;
  fault?: string | undefined;
  placeholder?: string;
  onChange: (value: string) => void;
}) {
  const id = useId();
  const { label, value, fault, placeholder, onChange } = props;
  return (
    <Field id={id} label={label} fault={fault} hint={undefined}>
      <input
        id={id}
        type="text"
        autoComplete="off"
        value={value}
        placeholder={placeholder}
        aria-invalid={fault !== undefined}
        aria-describedby={fault ? `${id}-note` : undefined}
        onChange={(event) => onChange(event.target.value)}
      />
    </Field>
  );
}

function Field(props: {
  id: string;
  label: string;
  fault: string | undefined;
  hint: string | undefined;
  children: ReactNode;
}) {
  const { id, label, fault, hint, children } = props;
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      {children}
      {(fault ?? hint) !== undefined && (
        <p id={`${id}-note`} className={fault ? 'fault' : 'hint'}>
          {fault ?? hint}
        </p>
      )}
    </div>
  );
}

/** A choice of several, as buttons that stay down. */
export function Chips(props: {
  label: string;
  choices: readonly { readonly id: string; readonly label: string | null }[];
  chosen: readonly string[];
  fault?: string | undefined;
  onToggle: (id: string) => void;
}) {
  const { label, choices, chosen, fault, onToggle } = props;
  const id = useId();
  return (
    <fieldset className="field chips" aria-describedby={fault ? id : undefined}>
      <legend>{label}</legend>
      {choices.map((choice) => (
        <button
          key={choice.id}
          type="button"
          aria-pressed={chosen.includes(choice.id)}
          onClick={() => onToggle(choice.id)}
        >
          {choice.label ?? choice.id}
        </button>
      ))}
      {fault && (
        <p id={id} className="fault">
          {fault}
        </p>
      )}
    </fieldset>
  );
}
