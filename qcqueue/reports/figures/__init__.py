"""The figures of a report: one file each, and the table of them in their order.

    registry                         the table: a row a figure, whose order numbers them
    figure                           what a figure is: where it stands, what is said of it, and how it is drawn
    picture | printed                SVG for the page and as a file | PNG, and one PDF with a page for each
    sheet | marks                    the sheet, one column wide | what several figures are made of

All others are figures, and what two of them share. The only home of matplotlib, which is imported to draw.
"""
