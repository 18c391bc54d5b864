"""Doubles of the clients that are deployed and will not change, as programs, and a judge of what they hear.

The doubles follow what the deployed modules and host programs were seen to do, their defects included.
"""
