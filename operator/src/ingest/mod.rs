//! From log files to facts: the queue names the files, each is read, recorded and only then acknowledged.
