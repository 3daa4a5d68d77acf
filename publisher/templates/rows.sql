SELECT {{ columns | join(sep=", ") }}
FROM {{ table }} AS t
{% if is_active %}WHERE t.is_active
{% endif -%}
ORDER BY {{ order | join(sep=", ") }}
