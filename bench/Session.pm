# A psql session on a pipe: what it prints comes back as a string, an error dies.
package Session;
use strict;
use warnings;
use IO::Handle;
use IO::Select;
use IPC::Open2;

our $psql = 'psql';
my $mark = '-- end of result --';

sub new
{
	my $class = shift;
	my $self = bless { buffer => '' }, $class;
	$self->{pid} = open2($self->{out}, $self->{in}, $psql, '-XAtq', '-v', 'ON_ERROR_STOP=1', '-f', '-');
	$self->{in}->autoflush(1);
	$self->{select} = IO::Select->new($self->{out});
	return $self;
}

sub send
{
	my ($self, $sql) = @_;
	print { $self->{in} } "$sql\n;\n\\echo $mark\n";
	return;
}

# has the whole result come, after at most so many seconds?
sub ready
{
	my ($self, $seconds) = @_;
	return 1 if $self->{buffer} =~ /^\Q$mark\E$/m;
	return 0 unless $self->{select}->can_read($seconds);
	$self->read_some;
	return scalar($self->{buffer} =~ /^\Q$mark\E$/m);
}

sub read_some
{
	my $self = shift;
	sysread $self->{out}, $self->{buffer}, 1 << 20, length $self->{buffer} or die "psql has ended\n";
	return;
}

sub result
{
	my $self = shift;
	my $end = "$mark\n";
	my $n = length $end;
	$self->read_some until length $self->{buffer} >= $n && substr($self->{buffer}, -$n) eq $end;
	my $out = substr $self->{buffer}, 0, -$n;
	$self->{buffer} = '';
	chomp $out;
	return $out;
}

sub run
{
	my ($self, $sql) = @_;
	$self->send($sql);
	return $self->result;
}

# Run sql again and again, with pauses, in a process of its own; what comes
# back is to be called to stop that.
sub background
{
	my ($self, $sql, $pause) = @_;
	pipe my $from, my $to or die "pipe: $!";
	my $pid = fork // die "fork: $!";
	if (!$pid)
	{
		close $to;
		my $stop = IO::Select->new($from);
		$self->run($sql) until $stop->can_read($pause);
		require POSIX;
		POSIX::_exit(0);
	}
	close $from;
	return sub {
		close $to;
		waitpid $pid, 0;
		die "the background session failed\n" if $?;
	};
}

sub finish
{
	my $self = shift;
	close $self->{in};
	waitpid $self->{pid}, 0;
	return;
}

1;
