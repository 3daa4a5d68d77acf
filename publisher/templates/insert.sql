INSERT INTO {{ table }} (
    {%- for c in written %}{{ c.name }}{% if not loop.last %}, {% endif %}{% endfor %}
)
{# An identity that is GENERATED ALWAYS takes no number from a file otherwise. -#}
OVERRIDING SYSTEM VALUE
SELECT {% for c in written %}{{ c.staged }}{% if not loop.last %}, {% endif %}{% endfor %}
FROM {{ stage }} AS s
LEFT JOIN {{ table }} AS t
    ON {% for c in primary_key %}t.{{ c }} = s.{{ c }}{% if not loop.last %} AND {% endif %}{% endfor %}
WHERE t.{{ primary_key[0] }} IS NULL
