from chalicelib import Job, Sum


class Cycles(Job):
    """Of each two nodes those with an edge there and one back: gomr's cycles of two."""

    def mapper(self, _, edge):
        one, other = map(int, edge)
        yield (min(one, other), max(one, other)), one < other

    def reducer(self, _, directions):
        if len(set(directions)) == 2:
            yield None, 1


class TwoCycles(Job):
    """How many cycles of two edges there are."""

    class Total(Job):
        reducer = Sum()

    steps = (Cycles, Total)


class Corners(Job):
    """Edges from smaller to larger nodes; at each node every two that begin there are open at the far end."""

    def mapper(self, _, edge):
        one, other = sorted(map(int, edge))
        if one < other:
            yield one, other

    def reducer(self, node, others):
        ends = sorted(set(others))
        for number, end in enumerate(ends):
            yield (node, end), None
            for far in ends[number + 1 :]:
                yield (end, far), node


class Closed(Job):
    """Open corners whose ends have an edge are triangles."""

    def reducer(self, _, corners):
        nodes = list(corners)
        if None in nodes and len(nodes) > 1:
            yield None, len(nodes) - 1


class Triangles(Job):
    """How many triangles a graph has, whatever way its edges point."""

    class Total(Job):
        reducer = Sum()

    steps = (Corners, Closed, Total)
