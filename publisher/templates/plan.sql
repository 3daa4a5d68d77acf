{# What writing the stage would do, in one pass over both sides.
   `*<>` compares records byte by byte: it works for every type, also those without `=`,
   and sees what `=` overlooks (1.0 and 1.00, the case of a citext). -#}
SELECT
    count(*) FILTER (WHERE staged AND NOT stored) AS inserted,
    count(*) FILTER (WHERE staged AND stored AND NOT admin AND differs AND NOT returns) AS updated,
    count(*) FILTER (WHERE staged AND stored AND NOT admin AND NOT differs) AS unchanged,
    count(*) FILTER (WHERE staged AND stored AND NOT admin AND returns) AS reactivated,
    count(*) FILTER (WHERE staged AND stored AND admin) AS admin_keys,
    count(*) FILTER (WHERE stored AND admin) AS admin_owned,
    count(*) FILTER (WHERE stored AND NOT staged AND NOT admin AND active) AS leaving,
    count(*) FILTER (WHERE stored AND NOT admin AND active) AS active
FROM (
    SELECT
        s.{{ primary_key[0] }} IS NOT NULL AS staged,
        t.{{ primary_key[0] }} IS NOT NULL AS stored,
        {% if source_type %}coalesce(t.source_type = 'admin', false){% else %}false{% endif %} AS admin,
        {% if is_active %}coalesce(t.is_active, false){% else %}t.{{ primary_key[0] }} IS NOT NULL{% endif %} AS active,
        {% if is_active %}coalesce(NOT t.is_active, false) AND coalesce({{ staged_is_active }}, false){% else %}false{% endif %} AS returns,
        {% if compared %}ROW({% for c in compared %}t.{{ c.name }}{% if not loop.last %}, {% endif %}{% endfor %})::record
            *<> ROW({% for c in compared %}{{ c.staged }}{% if not loop.last %}, {% endif %}{% endfor %})::record{% else %}false{% endif %} AS differs
    FROM {{ stage }} AS s
    FULL JOIN {{ table }} AS t
        ON {% for c in primary_key %}t.{{ c }} = s.{{ c }}{% if not loop.last %} AND {% endif %}{% endfor %}
) AS both_sides
