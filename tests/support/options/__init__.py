"""The numbers of a funnel with options, by exhaustive listing.

`funnels` says what a funnel is, `units` whose events are counted together, `chains` lists every chain,
`attempts` and `actors` pick from that list, `totals` adds up and names broken laws. `readings` holds each
decision where the counting rules are silent, as a case that is tested. `notation` writes funnels in
one line, `cases` draws random ones. Nothing here imports the product.
"""
