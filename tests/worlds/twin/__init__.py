"""The twin of the cloud: AWS Lambda's and S3's terms in virtual time, under which the product's own handlers run.

`terms.py` has every figure that is assumed of AWS, with its source. `virtual_time.py` runs invocations one at a time,
`account.py` gives them slots and keeps Lambda's queue, `store.py` makes requests take time, `figures.py` adds up what
a run took. `limited.py`, beside this room, puts them together; read it first.
"""
