"""Compute: where units of work run.

| `HEADRACE_COMPUTE` | Runs units |
|---|---|
| `inline:` | in the calling process, one by one |
| `local:`, `local:4`, `local:?workers=4` | in worker processes of this machine, one for each CPU by default; \
in those of the instance if it is up |
| `tcp://host:port`, `tls://host:port` | wherever the workers of that Dask scheduler are |
| `slurm:`, `slurm:?queue=long&jobs=8` | in jobs of SLURM (`slurm.SlurmJobs` has the parameters) |
"""
