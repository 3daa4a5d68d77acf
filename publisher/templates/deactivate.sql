UPDATE {{ table }} AS t SET is_active = false
WHERE t.is_active{% if source_type %} AND t.source_type IS DISTINCT FROM 'admin'{% endif %}
  AND NOT EXISTS (
      SELECT FROM {{ stage }} AS s
      WHERE {% for c in primary_key %}s.{{ c }} = t.{{ c }}{% if not loop.last %} AND {% endif %}{% endfor %}
  )
