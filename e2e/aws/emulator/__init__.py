"""The AWS of the tests: moto's server behind a gateway that adds the behaviour of AWS that moto lacks.

A request passes `gateway` once: who calls (`credentials`), does a test want it to fail (`faults`), may they
(`access`), then moto answers, and what was done is noted (`calls`) and written to the caller's trails (`trail`).
`corrections` puts right what moto itself answers differently from AWS.
"""
