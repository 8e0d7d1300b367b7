"""Locked requirements: resolved for the image of the jobs, fetched as wheels, unpacked in the job without pip."""
