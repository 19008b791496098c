from datetime import datetime

from chalicelib import Avg, Job, Sum

#: Longitude and latitude of a corner and the opposite one.
HEADQUARTERS = ((-74.0144, 40.7138), (-74.0132, 40.7148))


def is_inside(trip):
    (west, south), (east, north) = HEADQUARTERS
    return west < float(trip["longitude"]) < east and south < float(trip["latitude"]) < north


def dropped_off(trip):
    return datetime.fromisoformat(trip["dropoff"])


class Dropoffs(Job):
    """How many trips end at a place, by the hour."""

    def mapper(self, _, trip):
        if is_inside(trip):
            yield dropped_off(trip).hour, 1

    reducer = Sum()


class Tippers(Job):
    """How many of them had a tip of more than ten dollars, by the hour."""

    def mapper(self, _, trip):
        if is_inside(trip) and float(trip["tip"]) > 10:
            yield dropped_off(trip).hour, 1

    reducer = Sum()


class Cards(Job):
    """Which share of all trips was paid by card, by the month."""

    def mapper(self, _, trip):
        yield dropped_off(trip).date().replace(day=1), int(trip["payment"] == "card")

    reducer = Avg()
