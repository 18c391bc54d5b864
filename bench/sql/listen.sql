-- As a worker does before it reads anything.
listen "{{ api }}.{{ instance_id }}"
