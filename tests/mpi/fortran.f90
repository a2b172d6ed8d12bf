! SPDX-License-Identifier: BSD-3-Clause
! What t-fortran.sh starts: "use mpi_f08" with everything that Fortran itself does beside it. The
! first argument says what: "all DIR" checks, ends with status 0 and one line of rank 0; the rest
! are ways to print and to end.
program fortran
    use, intrinsic :: iso_fortran_env, only: int64, real64, real128, output_unit, error_unit
    use, intrinsic :: ieee_exceptions, only: ieee_set_halting_mode, ieee_divide_by_zero
    use mpi_f08
    implicit none
    character(len=1024) :: what, text
    integer :: rank, ranks, i, n, stat, length

    call get_command_argument(1, what)
    if (what == 'early') error stop 'before MPI_Init'
    call MPI_Init()
    call MPI_Comm_rank(MPI_COMM_WORLD, rank)
    call MPI_Comm_size(MPI_COMM_WORLD, ranks)
    select case (what)
    case ('all')
        call get_command_argument(2, what)
        call collectives()
        call messages()
        call datatypes()
        call threads_of_control()
        call one_sided()
        call files(trim(what))
        call own_files(trim(what))
        call surroundings()
        call MPI_Barrier(MPI_COMM_WORLD)
        if (rank == 0) print '(a,i0,a)', 'fortran: all right on ', ranks, ' ranks'
    case ('arguments')
        do i = 2, command_argument_count()
            call get_command_argument(i, text, length)
            if (rank == 0) print '(i0,3a)', i, ' [', text(1:length), ']'
        end do
        call get_environment_variable('TORO_FORTRAN', text, length, stat)
        if (rank == 0) print '(3a)', 'TORO_FORTRAN [', text(1:length), ']'
    case ('print')
        call get_command_argument(2, text)
        read (text, *) n
        do i = 1, n
            print '(i0,1x,i8,1x,a)', rank, i, repeat('x', 80)
        end do
        write (error_unit, '(a,i0)') 'errors of ', rank
    case ('read')
        if (rank == 0) then
            n = 0
            do
                read (*, '(a)', iostat=stat) text
                if (stat /= 0) exit
                n = n + 1
            end do
            print '(a,i0,2a)', 'read ', n, ' lines, the last is ', trim(text)
        end if
    case ('stop')
        call MPI_Finalize()
        stop 7
    case ('error-stop')
        if (rank == ranks - 1) error stop 9
        call MPI_Barrier(MPI_COMM_WORLD)
    case ('error-text')
        if (rank == ranks - 1) error stop 'the text of error stop'
        call MPI_Barrier(MPI_COMM_WORLD)
    case ('divide')
        if (rank == ranks - 1) print *, ranks / (rank - ranks + 1)
        call MPI_Barrier(MPI_COMM_WORLD)
    case ('halt')
        call ieee_set_halting_mode(ieee_divide_by_zero, .true.)
        if (rank == ranks - 1) print *, 1 / real(rank - ranks + 1, real64)
        call MPI_Barrier(MPI_COMM_WORLD)
    case ('bounds')
        call beyond(rank + 11)
        call MPI_Barrier(MPI_COMM_WORLD)
    case ('io-error')
        if (rank == ranks - 1) open (10, file='/not/there', status='old')
        call MPI_Barrier(MPI_COMM_WORLD)
    case ('segv')
        if (rank == ranks - 1) call nowhere(8_int64)
        call MPI_Barrier(MPI_COMM_WORLD)
    case ('abort')
        if (rank == ranks - 1) call MPI_Abort(MPI_COMM_WORLD, 13)
        call MPI_Barrier(MPI_COMM_WORLD)
    case default
        error stop 'fortran: what?'
    end select
    call MPI_Finalize()

contains

    subroutine check(good, name)
        logical, intent(in) :: good
        character(len=*), intent(in) :: name

        if (good) return
        write (error_unit, '(a,i0,2a)') 'fortran: rank ', rank, ': wrong: ', name
        flush (error_unit)
        call MPI_Abort(MPI_COMM_WORLD, 1)
    end subroutine

    subroutine collectives()
        integer :: v(1000), all(0:ranks - 1), count
        real(real64) :: x(3), y(3)
        real(real128) :: q
        complex(real64) :: z, zsum
        logical :: flag
        character(len=20) :: word
        type(MPI_Op) :: op

        v = merge([(i, i=1, 1000)], 0, rank == 0)
        call MPI_Bcast(v, 1000, MPI_INTEGER, 0, MPI_COMM_WORLD)
        call check(all_are(v == [(i, i=1, 1000)]), 'bcast')
        word = merge('characters as well  ', repeat('?', 20), rank == ranks - 1)
        call MPI_Bcast(word, len(word), MPI_CHARACTER, ranks - 1, MPI_COMM_WORLD)
        call check(word == 'characters as well', 'bcast of characters')
        x = [1d0, real(rank, real64), -real(rank, real64)**2]
        call MPI_Allreduce(x, y, 3, MPI_DOUBLE_PRECISION, MPI_SUM, MPI_COMM_WORLD)
        call check(nint(y(1)) == ranks .and. nint(y(2)) == ranks * (ranks - 1) / 2 .and. &
            nint(-y(3)) == (ranks - 1) * ranks * (2 * ranks - 1) / 6, 'allreduce')
        y = x
        call MPI_Allreduce(MPI_IN_PLACE, y, 3, MPI_DOUBLE_PRECISION, MPI_MAX, MPI_COMM_WORLD)
        call check(nint(y(2)) == ranks - 1 .and. nint(y(3)) == 0, 'allreduce in place')
        call MPI_Type_size(MPI_REAL16, count)
        q = real(rank + 1, real128) / 3
        call MPI_Bcast(q, 1, MPI_REAL16, ranks - 1, MPI_COMM_WORLD)
        call check(count == 16 .and. abs(3 * q - ranks) < 1e-30_real128, 'real(16)')
        z = cmplx(rank, -rank, real64)
        call MPI_Allreduce(z, zsum, 1, MPI_DOUBLE_COMPLEX, MPI_SUM, MPI_COMM_WORLD)
        call check(nint(zsum%re) == ranks * (ranks - 1) / 2 .and. nint(zsum%im) == -nint(zsum%re), &
            'complex')
        flag = rank == 0
        call MPI_Allreduce(MPI_IN_PLACE, flag, 1, MPI_LOGICAL, MPI_LOR, MPI_COMM_WORLD)
        call check(flag, 'logical')
        call MPI_Allgather(rank * rank, 1, MPI_INTEGER, all, 1, MPI_INTEGER, MPI_COMM_WORLD)
        call check(all_are(all == [(i * i, i=0, ranks - 1)]), 'allgather')
        call MPI_Op_create(longer, .true., op)
        v(1) = rank + 5
        call MPI_Allreduce(MPI_IN_PLACE, v, 1, MPI_INTEGER, op, MPI_COMM_WORLD)
        call check(v(1) == ranks + 4, 'an operation of our own')
        call MPI_Op_free(op)
    end subroutine

    subroutine longer(invec, inoutvec, len, datatype)
        use, intrinsic :: iso_c_binding, only: c_ptr, c_f_pointer
        type(c_ptr), value :: invec, inoutvec
        integer :: len
        type(MPI_Datatype) :: datatype
        integer, pointer :: a(:), b(:)

        call check(datatype == MPI_INTEGER, 'the type that an operation is told')
        call c_f_pointer(invec, a, [len])
        call c_f_pointer(inoutvec, b, [len])
        b = max(a, b)
    end subroutine

    pure logical function all_are(good)
        logical, intent(in) :: good(:)

        all_are = all(good)
    end function

    subroutine messages()
        integer, parameter :: sizes(4) = [1, 100, 20000, 300000]
        integer, allocatable, asynchronous :: in(:), out(:)
        type(MPI_Request) :: request(2)
        type(MPI_Status) :: status, both(2)
        integer :: next, prev, k, count

        next = modulo(rank + 1, ranks)
        prev = modulo(rank - 1, ranks)
        do k = 1, size(sizes)
            allocate (in(sizes(k)), out(sizes(k)))
            out = rank + [(i, i=1, sizes(k))]
            call MPI_Sendrecv(out, sizes(k), MPI_INTEGER, next, k, in, sizes(k), MPI_INTEGER, &
                prev, k, MPI_COMM_WORLD, status)
            call MPI_Get_count(status, MPI_INTEGER, count)
            call check(count == sizes(k) .and. status%MPI_SOURCE == prev .and. &
                status%MPI_TAG == k, 'status of sendrecv')
            call check(all_are(in - prev == [(i, i=1, sizes(k))]), 'sendrecv')
            in = -1
            call MPI_Irecv(in, sizes(k), MPI_INTEGER, prev, 50 + k, MPI_COMM_WORLD, request(1))
            call MPI_Isend(out, sizes(k), MPI_INTEGER, next, 50 + k, MPI_COMM_WORLD, request(2))
            call MPI_Waitall(2, request, both)
            call MPI_F_sync_reg(in)
            call check(all_are(in - prev == [(i, i=1, sizes(k))]), 'isend and irecv')
            deallocate (in, out)
        end do
        ! a slice that is not contiguous, where the compiler can describe it to MPI
        allocate (in(100), out(100))
        out = [(rank * 1000 + i, i=1, 100)]
        in = -1
        if (MPI_SUBARRAYS_SUPPORTED) then
            call MPI_Irecv(in(2::2), 50, MPI_INTEGER, prev, 90, MPI_COMM_WORLD, request(1))
            call MPI_Isend(out(1::2), 50, MPI_INTEGER, next, 90, MPI_COMM_WORLD, request(2))
            call MPI_Waitall(2, request, MPI_STATUSES_IGNORE)
            call MPI_F_sync_reg(in)
            call check(all_are(in(2::2) == prev * 1000 + [(i, i=1, 99, 2)]), 'slices')
        end if
        call check(all_are(in(1::2) == -1), 'what lies between')
    end subroutine

    subroutine datatypes()
        use, intrinsic :: iso_c_binding, only: c_double, c_int, c_char
        type, bind(c) :: particle
            real(c_double) :: x(3)
            integer(c_int) :: id
            character(c_char) :: kind
        end type
        type(particle), target :: p(10), q(10)
        type(MPI_Datatype) :: raw, struct, block
        integer(MPI_ADDRESS_KIND) :: at(3), extent(2)
        integer :: a(8, 8), b(8, 8), next, prev

        next = modulo(rank + 1, ranks)
        prev = modulo(rank - 1, ranks)
        do i = 1, 10
            p(i) = particle([1d0, 2d0, 3d0] * i + rank, i + 100 * rank, achar(64 + i))
        end do
        call MPI_Get_address(p(1)%x, at(1))
        call MPI_Get_address(p(1)%id, at(2))
        call MPI_Get_address(p(1)%kind, at(3))
        call MPI_Get_address(p(1), extent(1))
        call MPI_Get_address(p(2), extent(2))
        at = at - extent(1)
        call MPI_Type_create_struct(3, [3, 1, 1], at, &
            [MPI_DOUBLE_PRECISION, MPI_INTEGER, MPI_CHARACTER], raw)
        call MPI_Type_create_resized(raw, 0_MPI_ADDRESS_KIND, extent(2) - extent(1), struct)
        call MPI_Type_commit(struct)
        call MPI_Sendrecv(p, 10, struct, next, 1, q, 10, struct, prev, 1, MPI_COMM_WORLD, &
            MPI_STATUS_IGNORE)
        do i = 1, 10
            call check(nint(q(i)%x(3)) == 3 * i + prev .and. q(i)%id == i + 100 * prev .and. &
                q(i)%kind == achar(64 + i), 'a derived type')
        end do
        call MPI_Type_free(raw)
        call MPI_Type_free(struct)
        ! a block of a matrix; and back transposed, by a vector of columns
        a = reshape([(i, i=1, 64)], [8, 8]) + rank
        b = 0
        call MPI_Type_create_subarray(2, [8, 8], [3, 4], [2, 1], MPI_ORDER_FORTRAN, MPI_INTEGER, &
            block)
        call MPI_Type_commit(block)
        call MPI_Sendrecv(a, 1, block, next, 2, b, 1, block, prev, 2, MPI_COMM_WORLD, &
            MPI_STATUS_IGNORE)
        call check(all_are([b(3:5, 2:5) == a(3:5, 2:5) - rank + prev]) .and. count(b /= 0) == 12, &
            'a subarray')
        call MPI_Type_free(block)
    end subroutine

    ! Non-blocking collectives, persistent requests, communicators.
    subroutine threads_of_control()
        integer, asynchronous :: sums(4)
        integer :: half, halves, color, k, got
        type(MPI_Comm) :: part
        type(MPI_Request) :: request(2)
        character(len=MPI_MAX_OBJECT_NAME) :: name
        integer, asynchronous :: in, out

        color = merge(0, 1, rank < (ranks + 1) / 2)
        call MPI_Comm_split(MPI_COMM_WORLD, color, -rank, part)
        call MPI_Comm_rank(part, half)
        call MPI_Comm_size(part, halves)
        call MPI_Comm_set_name(part, 'a half')
        call MPI_Comm_get_name(part, name, k)
        call check(name == 'a half' .and. k == 6, 'a name')
        sums = [1, rank, half, color]
        call MPI_Iallreduce(MPI_IN_PLACE, sums, 4, MPI_INTEGER, MPI_SUM, part, request(1))
        call MPI_Wait(request(1), MPI_STATUS_IGNORE)
        call MPI_F_sync_reg(sums)
        call check(sums(1) == halves .and. sums(3) == halves * (halves - 1) / 2 .and. &
            sums(4) == color * halves, 'iallreduce in a half')
        call MPI_Recv_init(in, 1, MPI_INTEGER, MPI_ANY_SOURCE, 3, part, request(1))
        call MPI_Send_init(out, 1, MPI_INTEGER, modulo(half + 1, halves), 3, part, request(2))
        got = 0
        do k = 1, 20
            out = k * (half + 1)
            call MPI_Startall(2, request)
            call MPI_Waitall(2, request, MPI_STATUSES_IGNORE)
            call MPI_F_sync_reg(in)
            got = got + in
        end do
        call check(got == 210 * (modulo(half - 1, halves) + 1), 'persistent requests')
        call MPI_Request_free(request(1))
        call MPI_Request_free(request(2))
        call MPI_Comm_free(part)
        call check(part == MPI_COMM_NULL, 'a communicator that is gone')
    end subroutine

    subroutine one_sided()
        use, intrinsic :: iso_c_binding, only: c_ptr, c_f_pointer
        type(c_ptr) :: base
        integer, pointer, asynchronous :: mine(:)
        type(MPI_Win) :: win
        integer :: one

        call MPI_Win_allocate(int(4 * ranks, MPI_ADDRESS_KIND), 4, MPI_INFO_NULL, MPI_COMM_WORLD, &
            base, win)
        call c_f_pointer(base, mine, [ranks])
        mine = -1
        call MPI_Win_fence(0, win)
        do i = 0, ranks - 1
            call MPI_Put(rank + 100, 1, MPI_INTEGER, i, int(rank, MPI_ADDRESS_KIND), 1, &
                MPI_INTEGER, win)
        end do
        call MPI_Win_fence(0, win)
        call check(all_are(mine == [(100 + i, i=0, ranks - 1)]), 'put')
        call MPI_Win_fence(0, win)
        one = 1
        do i = 0, ranks - 1
            call MPI_Accumulate(one, 1, MPI_INTEGER, i, 0_MPI_ADDRESS_KIND, 1, MPI_INTEGER, &
                MPI_SUM, win)
        end do
        call MPI_Win_fence(0, win)
        call check(mine(1) == 100 + ranks, 'accumulate')
        call MPI_Win_free(win)
    end subroutine

    ! MPI-IO: each rank every ranks-th block, and a look at all of it.
    subroutine files(dir)
        character(len=*), intent(in) :: dir
        integer, parameter :: n = 500
        type(MPI_File) :: file
        type(MPI_Datatype) :: view
        type(MPI_Status) :: status
        integer :: block(n), count, all(n, 0:ranks - 1)
        integer(MPI_OFFSET_KIND) :: bytes

        block = rank * n + [(i, i=1, n)]
        call MPI_File_open(MPI_COMM_WORLD, dir // '/fortran.shared', &
            MPI_MODE_CREATE + MPI_MODE_RDWR + MPI_MODE_DELETE_ON_CLOSE, MPI_INFO_NULL, file)
        call MPI_Type_vector(n / 10, 10, 10 * ranks, MPI_INTEGER, view)
        call MPI_Type_commit(view)
        call MPI_File_set_view(file, int(40 * rank, MPI_OFFSET_KIND), MPI_INTEGER, view, 'native', &
            MPI_INFO_NULL)
        call MPI_File_write_all(file, block, n, MPI_INTEGER, status)
        call MPI_Get_count(status, MPI_INTEGER, count)
        call check(count == n, 'write_all')
        call MPI_File_sync(file)
        call MPI_Barrier(MPI_COMM_WORLD)
        call MPI_File_get_size(file, bytes)
        call check(bytes == 4 * n * ranks, 'size of a shared file')
        call MPI_File_set_view(file, 0_MPI_OFFSET_KIND, MPI_INTEGER, MPI_INTEGER, 'native', &
            MPI_INFO_NULL)
        call MPI_File_read_at_all(file, 0_MPI_OFFSET_KIND, all, n * ranks, MPI_INTEGER, status)
        call check(sum(int(all, int64)) == int(n * ranks, int64) * (n * ranks + 1) / 2 .and. &
            all(1, 0) == 1 .and. all(11, 0) == merge(11, n + 1, ranks == 1), 'read_at_all')
        call MPI_File_close(file)
        call MPI_Type_free(view)
    end subroutine

    ! Fortran's own files: each rank one, read by its neighbour.
    subroutine own_files(dir)
        character(len=*), intent(in) :: dir
        character(len=200) :: name
        integer :: u, v(3), k
        real(real64) :: x, sum

        write (name, '(2a,i0)') dir, '/fortran.', rank
        open (newunit=u, file=name, status='replace', action='write')
        do k = 1, 500
            write (u, '(3i8,f12.3)') rank, k, rank * k, k / 8d0
        end do
        close (u)
        call MPI_Barrier(MPI_COMM_WORLD)
        write (name, '(2a,i0)') dir, '/fortran.', modulo(rank + 1, ranks)
        open (newunit=u, file=name, status='old', action='read')
        sum = 0
        do k = 1, 500
            read (u, *) v, x
            sum = sum + x
            call check(v(2) == k .and. v(3) == k * v(1) .and. v(1) == modulo(rank + 1, ranks), &
                'a line of a file')
        end do
        read (u, *, iostat=stat) v
        call check(stat < 0 .and. nint(sum * 8) == 125250, 'the end of a file')
        close (u)
        call MPI_Barrier(MPI_COMM_WORLD)
        write (name, '(2a,i0)') dir, '/fortran.', rank
        open (newunit=u, file=name)
        close (u, status='delete')
    end subroutine

    subroutine surroundings()
        integer(int64) :: t0, t1, rate
        real(real64) :: w
        character(len=MPI_MAX_PROCESSOR_NAME) :: host
        character(len=MPI_MAX_ERROR_STRING) :: message
        integer :: k, error

        call system_clock(t0, rate)
        w = MPI_Wtime()
        do
            call system_clock(t1)
            if (t1 - t0 > rate / 100) exit
        end do
        w = MPI_Wtime() - w
        call check(w > 0.009d0 .and. w < 60, 'system_clock and MPI_Wtime agree')
        call MPI_Get_processor_name(host, k)
        call check(k > 0 .and. len_trim(host) == k, 'the name of the processor')
        call MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN)
        call MPI_Send(k, 1, MPI_INTEGER, ranks, 0, MPI_COMM_WORLD, ierror=error)
        call check(error /= MPI_SUCCESS, 'a wrong rank')
        call MPI_Error_string(error, message, k)
        call check(index(message, 'MPI_ERR_RANK') > 0, 'the text of an error')
        call MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_ARE_FATAL)
    end subroutine

    subroutine beyond(k)
        integer, intent(in) :: k
        integer, allocatable :: a(:)

        allocate (a(10))
        a = 0
        print *, a(k)
    end subroutine

    subroutine nowhere(address)
        use, intrinsic :: iso_c_binding, only: c_f_pointer, c_null_ptr
        integer(int64), intent(in) :: address
        integer, pointer :: p(:)

        call c_f_pointer(transfer(address, c_null_ptr), p, [2])
        print *, p(2)
    end subroutine

end program
