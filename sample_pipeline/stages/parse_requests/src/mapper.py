"""Reads rows {"line": …} and writes a hit for every page that a person asked for."""

import geo
from weblog.ab_test import variant_of
from weblog.job import load_job_config
from weblog.parse import BrokenLineError, parse_line
from weblog.rows import log, read_rows, write_row


def hit_of(request, job):
    """Return the row of a request, or None for machines and for parts of pages."""
    if any(word in request.agent.lower() for word in job["machines"]) or request.path.endswith(tuple(job["assets"])):
        return None
    return {
        "visitor": request.visitor,
        "time": request.time,
        "path": request.path,
        "status": request.status,
        "size": request.size,
        "country": geo.country_of(request.address),
        "variant": variant_of(request.visitor, job["experiment"]),
    }


def main():
    job = load_job_config()
    read = written = broken = 0
    for row in read_rows():
        read += 1
        try:
            hit = hit_of(parse_line(row["line"]), job)
        except BrokenLineError as error:
            broken += 1
            log(str(error))
            continue
        if hit is not None:
            written += 1
            write_row(hit)
    log(f"{read} lines: {written} hits, {broken} broken, {read - written - broken} of no interest")


if __name__ == "__main__":
    main()
