-- Every stream that was given runs.
update {{ private }}.assignment as a set state = 'running' where a.state = 'assigned'
