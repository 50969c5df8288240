"""What is put onto machines, as files; `rigshift-agent install` takes them from here.

A package so that it travels with every installation; it holds no code.
"""
