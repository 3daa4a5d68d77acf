{# What writing the stage would do, in one pass over both sides. -#}
SELECT
    count(*) FILTER (WHERE staged AND NOT stored) AS inserted,
    count(*) FILTER (WHERE staged AND stored AND NOT admin AND differs AND NOT returns AND NOT switched_off) AS updated,
    count(*) FILTER (WHERE staged AND stored AND NOT admin AND NOT differs) AS unchanged,
    count(*) FILTER (WHERE staged AND stored AND NOT admin AND returns) AS reactivated,
    count(*) FILTER (WHERE stored AND NOT admin AND switched_off) AS switched_off,
    count(*) FILTER (WHERE staged AND stored AND admin) AS admin_keys,
    count(*) FILTER (WHERE stored AND admin) AS admin_owned,
    count(*) FILTER (WHERE stored AND NOT staged AND NOT admin AND active) AS leaving,
    count(*) FILTER (WHERE stored AND NOT admin AND active) AS active
FROM (
    SELECT
        {% include "sides.sql" %}
    FROM {{ stage }} AS s
    FULL JOIN {{ table }} AS t
        ON {% for c in primary_key %}t.{{ c }} = s.{{ c }}{% if not loop.last %} AND {% endif %}{% endfor %}
) AS both_sides
