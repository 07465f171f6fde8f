"""The report: result folders -> one page that decides, as HTML, PDF, figures and tables. Reads result files, nothing else."""
