"""Orders, with the state that the customer lives in and the minutes that were spent on their tickets."""

from chalicelib import Job


class Orders(Job):
    """Customers' orders, behind what is known of the customer."""

    def mapper(self, _, record):
        tag = self.input.tag
        if tag == "customers":
            yield int(record["customer"]), (0, record["state"])
        elif tag == "tickets":
            yield record["customer"], (1, record["minutes"])
        else:
            yield record["customer"], (2, record["number"], record["amount"])

    def reducer(self, _, values):
        state, minutes, orders = None, None, []
        for value in values:
            if value[0] == 0:
                state = value[1]
            elif value[0] == 1:
                minutes = (minutes or 0) + value[1]
            else:
                orders.append(value[1:])
        if state is not None and minutes is not None:
            for number, amount in orders:
                yield str(number), (state, minutes, amount)
