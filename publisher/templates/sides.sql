{# What is known of a row by its two sides, s as the file has it and t as the table has it.
   `*<>` compares records byte by byte: it works for every type, also those without `=`,
   and sees what `=` overlooks (1.0 and 1.00, the case of a citext). -#}
s.{{ primary_key[0] }} IS NOT NULL AS staged,
t.{{ primary_key[0] }} IS NOT NULL AS stored,
{% if source_type %}coalesce(t.source_type = 'admin', false){% else %}false{% endif %} AS admin,
{% if is_active %}coalesce(t.is_active, false){% else %}t.{{ primary_key[0] }} IS NOT NULL{% endif %} AS active,
{% if is_active %}coalesce(NOT t.is_active, false) AND coalesce({{ staged_is_active }}, false){% else %}false{% endif %} AS returns,
{% if is_active %}coalesce(t.is_active, false) AND s.{{ primary_key[0] }} IS NOT NULL AND NOT coalesce({{ staged_is_active }}, false){% else %}false{% endif %} AS switched_off,
{% if compared %}ROW({% for c in compared %}t.{{ c.name }}{% if not loop.last %}, {% endif %}{% endfor %})::record
    *<> ROW({% for c in compared %}{{ c.staged }}{% if not loop.last %}, {% endif %}{% endfor %})::record{% else %}false{% endif %} AS differs