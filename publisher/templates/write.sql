{# Only rows that differ reach the table: a plain ON CONFLICT would lock, and log, every
   row that is as it should be. ON CONFLICT stands for the race that the table lock rules
   out; an administrator's row is never written. -#}
INSERT INTO {{ table }} AS t (
    {%- for c in written %}{{ c.name }}{% if not loop.last %}, {% endif %}{% endfor %}
)
SELECT {% for c in written %}{{ c.staged }}{% if not loop.last %}, {% endif %}{% endfor %}
FROM {{ stage }} AS s
LEFT JOIN {{ table }} AS e
    ON {% for c in primary_key %}e.{{ c }} = s.{{ c }}{% if not loop.last %} AND {% endif %}{% endfor %}
WHERE e.{{ primary_key[0] }} IS NULL
{%- if compared %}
   OR ({% if source_type %}e.source_type <> 'admin' AND {% endif -%}
       ROW({% for c in compared %}e.{{ c.name }}{% if not loop.last %}, {% endif %}{% endfor %})::record
       *<> ROW({% for c in compared %}{{ c.staged }}{% if not loop.last %}, {% endif %}{% endfor %})::record)
{%- endif %}
ON CONFLICT ({{ primary_key | join(sep=", ") }}) DO
{%- if compared %} UPDATE SET
    {%- for c in compared %} {{ c.name }} = excluded.{{ c.name }}{% if not loop.last %},{% endif %}{% endfor %}
    {%- if source_type %} WHERE t.source_type <> 'admin'{% endif %}
{%- else %} NOTHING
{%- endif %}
