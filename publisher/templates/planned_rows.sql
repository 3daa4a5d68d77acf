{# The rows that writing the stage would change, and those that it would leave to an
   administrator, which come last. Every value is JSON text; those that stay are null. -#}
SELECT
    CASE WHEN NOT stored THEN 'added' WHEN NOT staged THEN 'deactivated' WHEN admin THEN 'skipped'
         WHEN switched_off THEN 'deactivated' WHEN returns THEN 'reactivated' ELSE 'changed' END AS change,
    staged, key_values, differing, old_values, new_values
FROM (
    SELECT
        {% include "sides.sql" %},
        ARRAY[{{ key | join(sep=", ") }}] AS key_values,
        ARRAY[{% for c in listed %}{{ c.differs }}{% if not loop.last %}, {% endif %}{% endfor %}]::boolean[] AS differing,
        ARRAY[{% for c in listed %}CASE WHEN {{ c.differs }} THEN {{ c.old }} END{% if not loop.last %}, {% endif %}{% endfor %}]::text[] AS old_values,
        ARRAY[{% for c in listed %}CASE WHEN {{ c.differs }} THEN {{ c.new }} END{% if not loop.last %}, {% endif %}{% endfor %}]::text[] AS new_values,
        {% for expression in order %}{{ expression }} AS order_{{ loop.index }}{% if not loop.last %}, {% endif %}{% endfor %}
    FROM {{ stage }} AS s
    FULL JOIN {{ table }} AS t
        ON {% for c in primary_key %}t.{{ c }} = s.{{ c }}{% if not loop.last %} AND {% endif %}{% endfor %}
) AS both_sides
WHERE NOT stored OR (staged AND (admin OR differs)){% if is_active %} OR (NOT staged AND NOT admin AND active){% endif %}
ORDER BY stored AND admin, {% for expression in order %}order_{{ loop.index }}{% if not loop.last %}, {% endif %}{% endfor %}
LIMIT {{ limit }}
