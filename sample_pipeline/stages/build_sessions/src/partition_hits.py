"""Keeps the hits that were answered with a page; the operation hands them to the reducer by visitor and time."""

from http import HTTPStatus

from weblog.rows import read_rows, write_row

FIELDS = ("visitor", "time", "path", "country", "variant")


def main():
    for hit in read_rows():
        if hit["status"] < HTTPStatus.BAD_REQUEST:
            write_row({field: hit[field] for field in FIELDS})


if __name__ == "__main__":
    main()
