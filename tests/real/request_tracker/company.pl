# People with a token each, custom fields and the scrip from our guide, for rt-setup-database's --datafile.
use utf8;

our @Users = map { {
    Name => $_, RealName => ucfirst, Privileged => 1, EmailAddress => $_ eq 'extra-mile' ? '' : "$_\@example.com",
} } 'ana', 'ben', 'extra-mile';
our @CustomFields = map { {
    Name => $_, Type => 'FreeformSingle', LookupType => 'RT::Queue-RT::Ticket', ApplyTo => 0,
} } 'Satisfaction', 'Customer words';
our @Classes = ({ Name => 'Answers', Description => 'What we know' });

sub may { my ($user, @rights) = @_; return map { { UserId => $user, Right => $_ } } @rights }
our @ACL = (
    (map { may($_, qw(SeeQueue ShowTicket ShowTicketComments CommentOnTicket ReplyToTicket ModifyTicket OwnTicket
        TakeTicket StealTicket ReassignTicket SeeCustomField ModifyCustomField SeeClass CreateArticle)) } 'ana', 'ben'),
    # What the guide asks for, and no more
    may('extra-mile', qw(SeeQueue ShowTicket ShowTicketComments SeeCustomField SeeGroup ShowArticle ManageAuthTokens)),
    (map { { GroupDomain => 'SystemInternal', GroupType => 'Everyone', Right => $_ } } qw(CreateTicket ReplyToTicket)),
);

open my $file, '<:encoding(UTF-8)', "$ENV{RT_FOLDER}/scrip.pl" or die "no scrip: $!";
our @Scrips = ({
    Description       => 'Extra Mile',
    ScripCondition    => 'On Transaction',
    ScripAction       => 'User Defined',
    Template          => 'Blank',
    CustomPrepareCode => '1;',
    CustomCommitCode  => join('', <$file>),
});

our @Final = map { my $name = $_; sub {
    my $owner = RT::User->new(RT->SystemUser);
    $owner->Load($name);
    my ($made, $why, $token) = RT::AuthToken->new(RT->SystemUser)->Create(Owner => $owner->id, Description => 'A test');
    die $why unless $made;
    open my $kept, '>', "$ENV{RT_FOLDER}/$name.token" or die "no token: $!";
    print $kept $token;
} } 'ana', 'ben', 'extra-mile';
1;
