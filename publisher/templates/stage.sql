CREATE TEMPORARY TABLE {{ stage }} ON COMMIT DROP AS
SELECT {{ columns | join(sep=", ") }} FROM {{ table }} WITH NO DATA
