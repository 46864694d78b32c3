"""Jobs on a Ray cluster, each in the same sandbox as on this machine (DESIGN.md §10).

`cluster` reaches it and looks at its nodes, `executor` sends jobs, `node` is what runs over there, `parcels` is how
folders travel. Ray schedules, ships and tries again; nothing here does.
"""
