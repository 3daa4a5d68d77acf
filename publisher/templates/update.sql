{# Only rows that differ are written: any other would be locked, and logged, for nothing.
   An administrator's row is never written. -#}
UPDATE {{ table }} AS t SET
    {%- for c in compared %} {{ c.name }} = {{ c.staged }}{% if not loop.last %},{% endif %}{% endfor %}
FROM {{ stage }} AS s
WHERE {% for c in primary_key %}t.{{ c }} = s.{{ c }} AND {% endfor %}
    {%- if source_type %}t.source_type IS DISTINCT FROM 'admin' AND {% endif -%}
    ROW({% for c in compared %}t.{{ c.name }}{% if not loop.last %}, {% endif %}{% endfor %})::record
    *<> ROW({% for c in compared %}{{ c.staged }}{% if not loop.last %}, {% endif %}{% endfor %})::record
