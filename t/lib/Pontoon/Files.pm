# Whole files.
package Pontoon::Files;
use strict;
use warnings;
use Carp qw(croak);
use Exporter qw(import);

our @EXPORT_OK = qw(slurp spew);

sub slurp {
    my ($file) = @_;
    open my $fh, '<', $file or croak "$file: $!";
    local $/;
    return <$fh>;
}

# Nobody sees half of it. Returns the file's name.
sub spew {
    my ($file, $text) = @_;
    open my $fh, '>', "$file.new" or croak "$file.new: $!";
    print $fh $text;
    close $fh && rename "$file.new", $file or croak "$file: $!";
    return $file;
}

1;
