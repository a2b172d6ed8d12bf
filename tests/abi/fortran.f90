! SPDX-License-Identifier: BSD-3-Clause
! Fortran with the static libgfortran, libquadmath and libgomp: files of every kind, formats,
! allocation, quadruple precision, IEEE flags, internal procedures as arguments (code on the
! stack), calls to and from C, clocks, OpenMP.
! cores: 2 timeout: 120
module tap
    implicit none
    integer :: tests = 0, failed = 0
contains
    subroutine ok(good, name)
        logical, intent(in) :: good
        character(len=*), intent(in) :: name

        tests = tests + 1
        if (.not. good) then
            failed = failed + 1
            write (*, '(a)', advance='no') 'not '
        end if
        write (*, '(a,i0,2a)') 'ok ', tests, ' - ', name
    end subroutine

    subroutine done_testing()
        write (*, '(a,i0)') '1..', tests
        if (failed > 0) stop 1
    end subroutine
end module

module shapes
    implicit none
    integer :: gone = 0
    type, abstract :: figure
    contains
        procedure(area_of), deferred :: area
    end type
    abstract interface
        double precision function area_of(self)
            import figure
            class(figure), intent(in) :: self
        end function
    end interface
    type, extends(figure) :: box
        double precision :: a, b
    contains
        procedure :: area => box_area
    end type
    type, extends(figure) :: polygon
        double precision, allocatable :: x(:), y(:)
    contains
        procedure :: area => polygon_area
        final :: polygon_gone
    end type
contains
    double precision function box_area(self)
        class(box), intent(in) :: self

        box_area = self%a * self%b
    end function

    double precision function polygon_area(self)
        class(polygon), intent(in) :: self

        polygon_area = abs(sum(self%x * cshift(self%y, 1) - self%y * cshift(self%x, 1))) / 2
    end function

    subroutine polygon_gone(self)
        type(polygon), intent(inout) :: self

        gone = gone + size(self%x)
    end subroutine
end module

module callbacks
    use, intrinsic :: iso_c_binding
    use tap
    implicit none
    interface
        subroutine qsort(base, n, size, compare) bind(c)
            import
            type(c_ptr), value :: base
            integer(c_size_t), value :: n, size
            type(c_funptr), value :: compare
        end subroutine
        integer(c_size_t) function strlen(s) bind(c)
            import
            character(kind=c_char), intent(in) :: s(*)
        end function
    end interface
contains
    subroutine procedures()
        integer(c_int), target :: v(1000)
        real :: r(1000)
        integer :: i, calls

        calls = 0
        call random_number(r)
        v = int(r * 100000)
        call qsort(c_loc(v), 1000_c_size_t, 4_c_size_t, c_funloc(ascending))
        call ok(all(v(2:) >= v(:999)), 'C calls Fortran')
        call ok(strlen('twelve bytes' // c_null_char) == 12, 'Fortran calls C')
        ! an internal procedure that uses its host's variables: gfortran writes a trampoline
        call for_each(v, count_it)
        call ok(calls == 1000, 'an internal procedure as an argument')
        i = 0
        call for_each(v(::10), add_one)
        call ok(i == 100, 'another one, with a slice')
    contains
        subroutine count_it(x)
            integer(c_int), intent(in) :: x

            if (x >= 0) calls = calls + 1
        end subroutine
        subroutine add_one(x)
            integer(c_int), intent(in) :: x

            if (x >= 0) i = i + 1
        end subroutine
    end subroutine

    integer(c_int) function ascending(a, b) bind(c)
        integer(c_int), intent(in) :: a, b

        ascending = a - b
    end function

    subroutine for_each(v, f)
        integer(c_int), intent(in) :: v(:)
        interface
            subroutine f(x)
                import c_int
                integer(c_int), intent(in) :: x
            end subroutine
        end interface
        integer :: i

        do i = 1, size(v)
            call f(v(i))
        end do
    end subroutine
end module

program fortran
    use, intrinsic :: iso_c_binding
    use, intrinsic :: iso_fortran_env
    use, intrinsic :: ieee_arithmetic
    use, intrinsic :: ieee_exceptions
    use callbacks
    use shapes
    use tap
    use omp_lib
    implicit none
    interface
        integer(c_int) function process() bind(c, name='getpid')
            import c_int
        end function
    end interface
    integer, save :: mine = 0
    !$omp threadprivate(mine)
    character(len=64) :: path

    write (path, '(a,i0)') '/tmp/fortran-', process()
    call files()
    call formats()
    call memory()
    call numbers()
    call procedures()
    call surroundings()
    call openmp()
    call done_testing()

contains

    subroutine files()
        integer :: u, stat, i, n
        integer(int64) :: where
        character(len=200) :: line
        character(len=75) :: message
        real(real64) :: x(1000), y(1000)
        logical :: there
        namelist /settings/ n, x
        integer :: some(7)

        open (newunit=u, file=path, status='new', action='readwrite')
        do i = 1, 2000
            write (u, '(i8,1x,f12.4)') i, i / 4.0
        end do
        backspace (u)
        read (u, *) n
        rewind (u)
        do i = 1, 1234
            read (u, '(a)') line
        end do
        call ok(n == 2000 .and. line(1:21) == '    1234     308.5000', 'a file of lines')
        close (u)
        open (newunit=u, file=path, position='append')
        write (u, '(a)') 'the end'
        close (u)
        open (newunit=u, file=path, action='read')
        n = 0
        do
            read (u, '(a)', iostat=stat, iomsg=message) line
            if (stat /= 0) exit
            n = n + 1
        end do
        call ok(n == 2001 .and. stat == iostat_end, 'position append, and the end: ' // message)
        close (u, status='delete')
        inquire (file=path, exist=there)
        call ok(.not. there, 'status delete')
        open (newunit=u, file=path, status='old', iostat=stat, iomsg=message)
        call ok(stat /= 0 .and. index(message, 'No such file') > 0, 'no such file: ' // message)

        call random_number(x)
        open (newunit=u, file=path, form='unformatted', access='sequential')
        write (u) x
        write (u) n, x(1:3)
        rewind (u)
        read (u) y
        call ok(all(x == y), 'unformatted records')
        close (u, status='delete')
        open (newunit=u, file=path, form='unformatted', access='direct', recl=80)
        do i = 100, 1, -1
            write (u, rec=i) x(10 * i - 9:10 * i)
        end do
        y = 0
        do i = 1, 100
            read (u, rec=i) y(10 * i - 9:10 * i)
        end do
        call ok(all(x == y), 'direct access')
        close (u, status='delete')
        open (newunit=u, file=path, form='unformatted', access='stream')
        write (u) x
        write (u, pos=8 * 500 + 1) -1d0
        inquire (unit=u, pos=where)
        read (u, pos=8 * 499 + 1) y(1:3)
        inquire (unit=u, size=n)
        call ok(y(1) == x(500) .and. y(2) == -1 .and. y(3) == x(502) .and. n == 8000 &
            .and. where == 8 * 501 + 1, 'stream access')
        close (u, status='delete')

        open (newunit=u, status='scratch', form='formatted')
        n = 77
        x = 1.5
        x(999) = -2
        write (u, nml=settings)
        n = 0
        x = 0
        rewind (u)
        read (u, nml=settings)
        call ok(n == 77 .and. x(999) == -2 .and. x(1000) == 1.5, 'a namelist in a scratch file')
        close (u)
        read (line, *, iostat=stat) some
        call ok(stat /= 0, 'a short internal read is an error')
    end subroutine

    subroutine formats()
        character(len=100) :: s
        integer :: v(6)

        write (s, '(3(i4.3,","),z8.8,1x,b5,1x,l2,1x,es12.4,1x,g0)') 1, 22, 333, -1, 5, .true., &
            12345.678d0, 0.5
        call ok(s == ' 001, 022, 333,FFFFFFFF   101  T   1.2346E+04 0.500000000', &
            'formatted: ' // trim(s))
        s = "3*7, 8 , , 'x'"
        v = -1
        read (s, *) v(1:5)
        call ok(all(v == [7, 7, 7, 8, -1, -1]), 'list-directed with repetition and a gap')
        write (s, '(dt)', iostat=v(1)) 3
        call ok(v(1) /= 0, 'a wrong format is an error')
    end subroutine

    subroutine memory()
        real(real64), allocatable :: a(:, :), b(:, :), c(:, :), d(:)
        class(figure), allocatable :: s
        double precision :: area
        integer :: stat, i, j
        character(len=:), allocatable :: text
        integer(int64) :: much

        allocate (a(60, 70), b(70, 80))
        do j = 1, 70
            a(:, j) = [(i * j, i=1, 60)]
            b(j, :) = [(i - j, i=1, 80)]
        end do
        c = matmul(a, b)
        ! sum over k of i k (j - k)
        call ok(all(shape(c) == [60, 80]) .and. c(7, 9) == 7 * (9 * 2485d0 - 116795), 'matmul')
        much = 2_int64**55
        allocate (d(much), stat=stat)
        call ok(stat /= 0 .and. .not. allocated(d), 'an impossible allocate')
        d = [1d0]
        do i = 1, 1000
            d = [d, real(i, real64)]
        end do
        call ok(size(d) == 1001 .and. sum(d) == 500501, 'growing by assignment')
        text = repeat('ab', 5000) // 'c'
        call ok(len(text) == 10001 .and. index(text, 'c') == 10001, 'a long string')
        allocate (s, source=polygon([0d0, 4d0, 4d0, 0d0], [0d0, 0d0, 3d0, 3d0]))
        area = s%area()
        deallocate (s)
        allocate (s, source=box(2d0, 5d0))
        call ok(area == 12 .and. s%area() == 10 .and. gone >= 4, 'methods and finalizers')
        call ok(deep(100000) == 100000, 'recursion')
    end subroutine

    recursive integer function deep(n) result(r)
        integer, intent(in) :: n

        r = 0
        if (n > 0) r = 1 + deep(n - 1)
    end function

    subroutine numbers()
        real(real128) :: q
        complex(real64) :: z
        real(real64) :: x
        logical :: flag
        character(len=60) :: s
        type(ieee_round_type) :: mode

        q = 4 * atan(1.0_real128)
        write (s, '(f40.32)') q
        call ok(adjustl(s) == '3.14159265358979323846264338327950', 'quadruple precision')
        call ok(abs(sin(q)) < 1e-33_real128 .and. sqrt(q)**2 - q < 1e-33_real128, &
            'quadruple sine and root')
        z = exp(cmplx(0, acos(-1d0), real64))
        call ok(abs(z + 1) < 1d-15, 'complex')
        call ieee_set_flag(ieee_divide_by_zero, .false.)
        x = tests - tests
        x = 1 / x
        call ieee_get_flag(ieee_divide_by_zero, flag)
        call ok(flag .and. .not. ieee_is_finite(x), 'the flag of a division by zero')
        call ieee_set_flag(ieee_all, .false.)
        call ieee_get_rounding_mode(mode)
        call ieee_set_rounding_mode(ieee_up)
        x = third()
        call ieee_set_rounding_mode(ieee_down)
        call ok(x > third(), 'rounding modes')
        call ieee_set_rounding_mode(mode)
        call ieee_set_flag(ieee_all, .false.)
        call ok(popcnt(shiftl(5_int64, 40)) == 2 .and. leadz(1_int64) == 63, 'bits')
    end subroutine

    real(real64) function third()
        real(real64), volatile :: three = 3

        third = 1 / three
    end function

    subroutine surroundings()
        integer(int64) :: t0, t1, rate
        integer :: stat, length, when(8), exitstat
        character(len=4096) :: text
        character(len=100) :: message
        real :: cpu0, cpu1, r(2)

        call system_clock(t0, rate)
        call cpu_time(cpu0)
        do
            call system_clock(t1)
            if (t1 - t0 > rate / 20) exit
        end do
        call cpu_time(cpu1)
        call ok(rate >= 1000 .and. cpu1 - cpu0 > 0.005, 'system_clock and cpu_time go on')
        call sleep(1)
        call system_clock(t1)
        call ok(t1 - t0 > rate .and. t1 - t0 < 60 * rate, 'sleep')
        call date_and_time(values=when)
        call ok(when(1) > 2020 .and. when(2) >= 1 .and. when(2) <= 12, 'date_and_time')
        call get_environment_variable('PATH', text, length, stat)
        call ok(stat == 0 .and. length > 0 .and. index(text, '/') > 0, 'get_environment_variable')
        call get_environment_variable('NOT_THERE_AT_ALL', status=stat)
        call ok(stat == 1, 'a variable that is not there')
        call get_command_argument(0, text, length, stat)
        call ok(stat == 0 .and. index(text, 'fortran') > 0, 'get_command_argument')
        call random_init(.false., .true.)
        call random_number(r)
        call ok(r(1) /= r(2) .and. all(r >= 0 .and. r < 1), 'random_number')
        call getcwd(text, stat)
        call ok(stat == 0 .and. text(1:1) == '/', 'getcwd')
        ! there are no child processes in a guest; that must be an answer and not an end
        message = ''
        call execute_command_line('true', exitstat=exitstat, cmdstat=stat, cmdmsg=message)
        call ok((stat == 0 .and. exitstat == 0) .or. stat /= 0 .or. exitstat /= 0, &
            'execute_command_line comes back ' // trim(message))
    end subroutine

    subroutine openmp()
        integer, parameter :: n = 100000
        integer :: i, team, count, bad, u, got
        integer(int64) :: total
        real(real64) :: x(n)
        character(len=40) :: s

        team = 0
        !$omp parallel num_threads(4) reduction(+:team)
        team = team + 1
        !$omp end parallel
        call ok(team == 4, 'a team of four')
        total = 0
        !$omp parallel do num_threads(3) schedule(dynamic, 100) reduction(+:total)
        do i = 1, n
            x(i) = sqrt(real(i, real64))
            total = total + i
        end do
        !$omp end parallel do
        call ok(total == int(n, int64) * (n + 1) / 2 .and. x(n) == sqrt(real(n, real64)), &
            'a loop with a reduction')
        count = 0
        !$omp parallel num_threads(3)
        !$omp single
        do i = 1, 50
            !$omp task
            !$omp atomic
            count = count + 1
            !$omp end task
        end do
        !$omp end single
        !$omp end parallel
        call ok(count == 50, 'tasks')
        bad = 0
        !$omp parallel num_threads(4) private(s, i, u, got) reduction(+:bad)
        mine = omp_get_thread_num() + 1
        do i = 1, 200
            write (s, '(i0,1x,i0)') mine, i
            read (s, *) u
            if (u /= omp_get_thread_num() + 1) bad = bad + 1
        end do
        write (s, '(a,i0)') trim(path) // '-', mine
        open (newunit=u, file=s)
        do i = 1, 100
            write (u, *) mine * i
        end do
        rewind (u)
        do i = 1, 100
            read (u, *) got
            if (got /= mine * i) bad = bad + 1
        end do
        close (u, status='delete')
        !$omp end parallel
        call ok(bad == 0, 'threads read and write at the same time')
        call ok(omp_get_num_procs() >= 1, 'processors')
    end subroutine

end program
