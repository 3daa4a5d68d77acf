// Made by `publisher types` from the tables of the database. To change it, change the tables.

/** Any JSON value: what columns of type json and jsonb hold. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** The rows of each table, by table key. */
export interface ReferenceTables {
{%- for table in tables %}
  /** `{{ table.name }}`, by {{ table.primary_key }}. */
  {{ table.key }}: {
{%- for column in table.columns %}
    /** {{ column.sql_type }} */
    readonly {{ column.name }}: {{ column.type }};
{%- endfor %}
  };
{%- endfor %}
}

/** A row of a table. */
export type Row<K extends keyof ReferenceTables> = ReferenceTables[K];

/** The shape that these types were made from: each table's `schemaFingerprint` in the manifest. */
export const SCHEMA_FINGERPRINTS: { readonly [K in keyof ReferenceTables]: string } = {
{%- for table in tables %}
  {{ table.key }}: '{{ table.fingerprint }}',
{%- endfor %}
};
