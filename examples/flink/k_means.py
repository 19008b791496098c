from math import dist, fsum

from chalicelib import Job


class Points(Job):
    """What is read once: a point a row."""

    shuffle = False

    def mapper(self, _, row):
        yield None, [float(cell) for cell in row]


class Move(Job):
    """Each centre to the mean of the points that it is the nearest to, until none moves any more."""

    rounds = 50
    rereads = True  # each round reads the points

    def centres(self):
        return self.run.result(Move) if self.run.round > 1 else self.params["centres"]

    def mapper_init(self):
        self.near = self.centres()

    def mapper(self, _, point):
        yield min(self.near, key=lambda name: (dist(point, self.near[name]), name)), point

    def reducer(self, name, points):
        columns = list(zip(*points, strict=True))
        centre = [fsum(column) / len(column) for column in columns]
        self.count("moved", centre != self.centres()[name])
        yield name, centre

    def converged(self):
        return not self.run.steps[-1].counters.get("moved")


class KMeans(Job):
    steps = (Points, Move)
