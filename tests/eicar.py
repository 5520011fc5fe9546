"""What every scanner knows (https://www.eicar.org/download-anti-malware-testfile/), in pieces here, so that scanners of
the machines that these tests lie on leave them alone."""

EICAR = b"".join((rb"X5O!P%@AP[4\PZX54(P^)7CC)7}", rb"$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"))
