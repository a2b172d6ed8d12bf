! SPDX-License-Identifier: BSD-3-Clause
! heat_f08: heat in a plate, Fortran 2008 with "use mpi_f08". Each rank has a block of a Cartesian
! grid and exchanges its borders without blocking, columns and rows by derived types, while it
! works on what needs no border.
!
! It starts from a sine in both directions: each step multiplies that by a known factor, so the
! result is checked point by point.
!
! usage: heat_f08 [SIZE [STEPS]]     (default: 200 100)
program heat_f08
    use mpi_f08
    implicit none
    integer, parameter :: dp = kind(1d0)
    real(dp), parameter :: pi = 3.14159265358979323846_dp, r = 0.2_dp
    integer :: rank, ranks, n, steps, step, i, j, mx, my, x0, y0
    integer :: dims(2) = 0, at(2), left, right, up, down
    type(MPI_Comm) :: grid
    type(MPI_Datatype) :: row
    type(MPI_Request) :: request(8)
    real(dp), allocatable, asynchronous :: old(:, :)
    real(dp), allocatable :: new(:, :)
    real(dp) :: factor, want, worst, all

    call MPI_Init()
    call MPI_Comm_size(MPI_COMM_WORLD, ranks)
    n = number(1, 200)
    steps = number(2, 100)
    call MPI_Dims_create(ranks, 2, dims)
    call MPI_Cart_create(MPI_COMM_WORLD, 2, dims, [.false., .false.], .true., grid)
    call MPI_Comm_rank(grid, rank)
    call MPI_Cart_coords(grid, rank, 2, at)
    call MPI_Cart_shift(grid, 0, 1, left, right)
    call MPI_Cart_shift(grid, 1, 1, up, down)
    if (any(dims > n)) call give_up('more ranks than rows')

    x0 = at(1) * n / dims(1)
    y0 = at(2) * n / dims(2)
    mx = (at(1) + 1) * n / dims(1) - x0
    my = (at(2) + 1) * n / dims(2) - y0
    allocate (old(0:mx + 1, 0:my + 1), new(0:mx + 1, 0:my + 1))
    old = 0
    new = 0
    do j = 1, my
        do i = 1, mx
            old(i, j) = start(i, j)
        end do
    end do
    ! a row is strided in Fortran, a column is not
    call MPI_Type_vector(my, 1, mx + 2, MPI_DOUBLE_PRECISION, row)
    call MPI_Type_commit(row)

    do step = 1, steps
        call MPI_Irecv(old(0, 1), 1, row, left, 0, grid, request(1))
        call MPI_Irecv(old(mx + 1, 1), 1, row, right, 1, grid, request(2))
        call MPI_Irecv(old(1, 0), mx, MPI_DOUBLE_PRECISION, up, 2, grid, request(3))
        call MPI_Irecv(old(1, my + 1), mx, MPI_DOUBLE_PRECISION, down, 3, grid, request(4))
        call MPI_Isend(old(mx, 1), 1, row, right, 0, grid, request(5))
        call MPI_Isend(old(1, 1), 1, row, left, 1, grid, request(6))
        call MPI_Isend(old(1, my), mx, MPI_DOUBLE_PRECISION, down, 2, grid, request(7))
        call MPI_Isend(old(1, 1), mx, MPI_DOUBLE_PRECISION, up, 3, grid, request(8))
        call work(2, mx - 1, 2, my - 1)
        call MPI_Waitall(8, request, MPI_STATUSES_IGNORE)
        if (.not. MPI_ASYNC_PROTECTS_NONBLOCKING) call MPI_F_sync_reg(old)
        call work(1, mx, 1, 1)
        if (my > 1) call work(1, mx, my, my)
        call work(1, 1, 2, my - 1)
        if (mx > 1) call work(mx, mx, 2, my - 1)
        old(1:mx, 1:my) = new(1:mx, 1:my)
    end do

    factor = (1 - 8 * r * sin(pi / (2 * (n + 1)))**2)**steps
    worst = 0
    do j = 1, my
        do i = 1, mx
            want = factor * start(i, j)
            worst = max(worst, abs(old(i, j) - want))
        end do
    end do
    call MPI_Allreduce(worst, all, 1, MPI_DOUBLE_PRECISION, MPI_MAX, grid)
    if (.not. all < 1e-12_dp * (steps + 1)) call give_up('the result is wrong')
    if (rank == 0) print '(4(a,i0),a,es8.1)', 'heat_f08: ok, ', n, 'x', n, ' points, ', steps, &
        ' steps on ', ranks, ' ranks, largest error', all
    call MPI_Type_free(row)
    call MPI_Comm_free(grid)
    call MPI_Finalize()

contains

    real(dp) function start(i, j)
        integer, intent(in) :: i, j

        start = sin(pi * (x0 + i) / (n + 1)) * sin(pi * (y0 + j) / (n + 1))
    end function

    subroutine work(i0, i1, j0, j1)
        integer, intent(in) :: i0, i1, j0, j1
        integer :: i, j

        do j = j0, j1
            do i = i0, i1
                new(i, j) = old(i, j) + r * (old(i - 1, j) + old(i + 1, j) + old(i, j - 1) &
                    + old(i, j + 1) - 4 * old(i, j))
            end do
        end do
    end subroutine

    ! A command line argument that is a positive number.
    integer function number(nr, otherwise)
        integer, intent(in) :: nr, otherwise
        character(len=32) :: text
        integer :: stat

        number = otherwise
        if (command_argument_count() < nr) return
        call get_command_argument(nr, text)
        read (text, *, iostat=stat) number
        if (stat /= 0 .or. number < 1 .or. number > 20000) &
            call give_up("'" // trim(text) // "' is no number from 1 to 20000")
    end function

    subroutine give_up(why)
        character(len=*), intent(in) :: why

        write (0, '(2a)') 'heat_f08: ', why
        call MPI_Abort(MPI_COMM_WORLD, 1)
    end subroutine

end program
