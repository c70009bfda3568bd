"""The data of the book, each with its source and its truth.

Two data sets are here for the tests alone, which hold published numbers against ours. Radon in 919
homes of Minnesota, ``radon.csv``, is that of Price, Nero and Gelman (1996) and of Gelman and Hill
(2007), from the R package HLMdiag: ``log_radon`` in log pCi/L, ``uranium`` the log of that in the
county's soil, and ``basement``, whose name misleads, 1 where the first floor was measured and 0
where the basement was. ``orthodont.csv`` is that of Potthoff and Roy (1964), from the R package
nlme: ``distance`` in mm from pituitary to fissure of 27 children at four ages.
"""
