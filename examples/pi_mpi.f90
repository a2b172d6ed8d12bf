! SPDX-License-Identifier: BSD-3-Clause
! pi_mpi: integrates 4 / (1 + x**2) over [0, 1], Fortran 90 with "use mpi". Fails if the result is
! further from pi than the midpoint rule's own error.
!
! usage: pi_mpi [INTERVALS]     (default: 2000000)
program pi_mpi
    use mpi
    implicit none
    integer, parameter :: dp = kind(1d0), long = selected_int_kind(18)
    real(dp), parameter :: pi = 3.14159265358979323846_dp
    integer :: ierr, rank, ranks, stat
    integer(long) :: n, i
    real(dp) :: x, h, part, total, error, bound, t
    character(len=32) :: text

    call MPI_Init(ierr)
    call MPI_Comm_rank(MPI_COMM_WORLD, rank, ierr)
    call MPI_Comm_size(MPI_COMM_WORLD, ranks, ierr)
    n = 2000000
    if (command_argument_count() > 0) then
        call get_command_argument(1, text)
        read (text, *, iostat=stat) n
        if (stat /= 0 .or. n < 1) then
            if (rank == 0) write (0, '(3a)') "pi_mpi: '", trim(text), "' is no number of intervals"
            call MPI_Finalize(ierr)
            stop 2
        end if
    end if

    t = MPI_Wtime()
    h = 1 / real(n, dp)
    part = 0
    do i = rank, n - 1, ranks
        x = (real(i, dp) + 0.5_dp) * h
        part = part + 4 / (1 + x * x)
    end do
    part = part * h
    call MPI_Allreduce(part, total, 1, MPI_DOUBLE_PRECISION, MPI_SUM, MPI_COMM_WORLD, ierr)
    t = MPI_Wtime() - t

    ! the midpoint rule's error is h**2 / 24 * max |f''|, and |f''| <= 8 here; then rounding
    error = abs(total - pi)
    bound = 8 * h * h / 24 + 1e-15_dp * sqrt(real(n, dp)) + 1e-14_dp
    if (.not. error <= bound) then
        write (0, '(a,i0,2(a,es9.2))') 'pi_mpi: rank ', rank, ': error', error, &
            ' is more than', bound
        call MPI_Abort(MPI_COMM_WORLD, 1, ierr)
    end if
    if (rank == 0) print '(a,f18.16,a,es8.1,a,i0,a,f7.3,a)', 'pi is about ', total, ', error', &
        error, ' on ', ranks, ' ranks,', t, ' s'
    call MPI_Finalize(ierr)
end program
