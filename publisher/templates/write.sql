{# Only rows that differ reach the table: a plain ON CONFLICT would lock, and log, every
   row that is as it should be. ON CONFLICT stands for the race that the table lock rules
   out; an administrator's row is never written. -#}
INSERT INTO {{ table }} AS written (
    {%- for c in written %}{{ c.name }}{% if not loop.last %}, {% endif %}{% endfor %}
)
SELECT {% for c in written %}{{ c.staged }}{% if not loop.last %}, {% endif %}{% endfor %}
FROM {{ stage }} AS s
LEFT JOIN {{ table }} AS t
    ON {% for c in primary_key %}t.{{ c }} = s.{{ c }}{% if not loop.last %} AND {% endif %}{% endfor %}
WHERE t.{{ primary_key[0] }} IS NULL
{%- if compared %}
   OR ({% if source_type %}t.source_type IS DISTINCT FROM 'admin' AND {% endif -%}
       ROW({% for c in compared %}t.{{ c.name }}{% if not loop.last %}, {% endif %}{% endfor %})::record
       *<> ROW({% for c in compared %}{{ c.staged }}{% if not loop.last %}, {% endif %}{% endfor %})::record)
{%- endif %}
ON CONFLICT ({{ primary_key | join(sep=", ") }}) DO
{%- if compared %} UPDATE SET
    {%- for c in compared %} {{ c.name }} = excluded.{{ c.name }}{% if not loop.last %},{% endif %}{% endfor %}
    {%- if source_type %} WHERE written.source_type IS DISTINCT FROM 'admin'{% endif %}
{%- else %} NOTHING
{%- endif %}
