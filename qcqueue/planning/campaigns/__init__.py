"""What would become of a study: whole campaigns played on paper, with the policies and cadences of real sessions.

`laws`, `trace` and `coming` say when a machine can be had and how long it is left to us, `strategies` what is done
with it, `play` plays one campaign, `bounds` says what nobody could do better, `compare` judges strategies over many
seeds and `forecast` names a date. Everything is pure and on paper: seconds of training, starting and saving go in as
estimates and come out as such.
"""
